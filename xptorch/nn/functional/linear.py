"""Linear and bilinear maps, as functions."""

from xptorch.ops.linear import bilinear, linear

__all__ = ["bilinear", "linear"]
