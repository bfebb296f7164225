"""The error function, which NumPy lacks, in single precision."""

from __future__ import annotations

import numpy as np

from xptorch._core.backend import Array

# artanh(erf(x)) / x is so smooth that a polynomial in x² approximates it, and tanh is NumPy's
# fastest transcendental function: erf to 3e-7. The coefficients are a minimax fit over |x| < 4.3.
ERF32: tuple[float, ...] = (1.418523531e-07, -5.668478326e-06, 8.763734716e-05, -6.19784721e-04)
ERF32 += (-1.91830718e-04, 0.1027690557, 1.128379274)


def erf32(x: Array) -> Array:
    """erf of a float32 array."""
    if np.empty_like(x).strides != x.strides:  # not dense
        x = np.array(x, order="C")
    out = np.empty_like(x)
    source, target = x.ravel(order="K"), out.ravel(order="K")
    for start in range(0, x.size, 1 << 16):
        part = source[start : start + (1 << 16)]
        square = part * part
        y = square * ERF32[0]
        for a in ERF32[1:-1]:
            y += a
            y *= square
        y += ERF32[-1]
        y *= part
        np.tanh(y, out=target[start : start + (1 << 16)])
    return out
