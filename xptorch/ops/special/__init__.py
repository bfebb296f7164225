"""Special functions: error functions, gamma, Bessel, orthogonal polynomials.

Their public names are in xptorch/special.py.
"""
