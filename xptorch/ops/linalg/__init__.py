"""Ops on matrices and vectors.

Products, norms and distances, decompositions, inverses and linear systems.
"""
