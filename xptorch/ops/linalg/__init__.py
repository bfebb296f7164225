"""Ops on matrices and vectors.

Products, norms and distances, decompositions, inverses and the solution of systems.
"""
