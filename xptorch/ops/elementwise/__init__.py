"""Ops that compute each element of the result from the same element of each input.

Arithmetic, elementary functions, comparisons and logic, complex numbers. (Activations: layers/.)
"""
