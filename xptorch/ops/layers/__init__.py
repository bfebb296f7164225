"""Ops that are a layer of a neural network, or its inner loop.

Convolution, pooling, norms, activation, softmax, losses, attention, recurrence, dropout, embedding.
"""
