"""Ops that draw the same random numbers as PyTorch on the CPU.

The generator itself (MT19937) is in generator.py, its public functions in xptorch/random.py.
"""
