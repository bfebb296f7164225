"""Ops that draw random numbers as PyTorch draws them.

The streams themselves (MT19937) are in xptorch/random.py.
"""
