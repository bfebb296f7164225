"""Numbers drawn by rejection: candidates are proposed until one is accepted.

They consume as many uniform numbers as needed, one by one, in PyTorch's order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Draw = Callable[[], float]

_THIRD = 11184811 / 2**25  # 1 / 3 in single precision, as in PyTorch


def poisson(rate: float, draw: Callable[[], float]) -> int:
    """One count: by multiplying uniform numbers, or from a rate of 10 by transformed rejection."""
    if rate == 0.0:
        return 0
    if rate < 10.0:
        limit, product, k = math.exp(-rate), draw(), 0
        while product > limit:
            product, k = product * draw(), k + 1
        return k
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    log_scale = math.log(1.1239 + 1.1328 / (b - 3.4))
    sure = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u, v = draw() - 0.5, draw()
        edge = 0.5 - abs(u)
        k = math.floor((2.0 * a / edge + b) * u + rate + 0.43)
        if edge >= 0.07 and v <= sure:
            return k
        if k < 0 or (edge < 0.013 and v > edge):
            continue
        accept = math.log(v) + log_scale - math.log(a / (edge * edge) + b)
        if accept <= -rate + k * math.log(rate) - math.lgamma(k + 1.0):
            return k


def gamma(shape: Any, draw: Draw, normal: Draw) -> float:
    """A gamma-distributed number of scale 1 (Marsaglia and Tsang, 2000)."""
    if shape == 0:
        return 0.0
    scale = 1.0
    if shape < 1:  # from the distribution of shape + 1
        scale = (1.0 - draw()) ** float(1 / shape)
        shape = shape + 1
    d = float(shape - _THIRD)  # rounded to the dtype of `shape`
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal()
        root = 1.0 + c * x
        if root <= 0.0:
            continue
        v, u, square = root * root * root, 1.0 - draw(), x * x
        if u < 1.0 - 0.0331 * square * square:
            return scale * d * v
        if math.log(u) < 0.5 * square + d * (1.0 - v + math.log(v)):
            return scale * d * v


def binomial(count: Any, share: Any, draw: Draw) -> float:
    """How many of `count` trials succeed, each with the probability `share`."""
    if not (count > 0 and share > 0):
        return 0.0
    if share >= 1:
        return float(count)
    if share > 0.5:
        return float(count) - binomial(count, 1 - share, draw)
    if count * share < 10.0:
        return _by_gaps(count, share, draw)
    return _by_transformed_rejection(float(count), float(share), draw)


def _by_gaps(count: Any, share: Any, draw: Draw) -> float:
    """Counts successes from the gaps between them, which are geometrically distributed."""
    step, trial, found = math.log1p(-share), 0.0, 0
    while True:
        trial += math.ceil(math.log(draw()) / step)
        if trial > count:
            return float(found)
        found += 1


def _by_transformed_rejection(n: float, p: float, draw: Draw) -> float:
    """Hörmann's BTRS (1993)."""
    spread = math.sqrt(n * p * (1.0 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    sure, odds = 0.92 - 4.2 / b, p / (1.0 - p)
    alpha = (2.83 + 5.1 / b) * spread
    mode = math.floor((n + 1.0) * p)
    while True:
        u, v = draw() - 0.5, draw()
        edge = 0.5 - abs(u)
        k = math.floor((2.0 * a / edge + b) * u + n * p + 0.5)
        if edge >= 0.07 and v <= sure:
            return float(k)
        if k < 0 or k > n:
            continue
        bound = (mode + 0.5) * math.log((mode + 1.0) / (odds * (n - mode + 1.0)))
        bound += (n + 1.0) * math.log((n - mode + 1.0) / (n - k + 1.0))
        bound += (k + 0.5) * math.log(odds * (n - k + 1.0) / (k + 1.0))
        bound += _tail(mode) + _tail(n - mode) - _tail(k) - _tail(n - k)
        if math.log(v * alpha / (a / (edge * edge) + b)) <= bound:
            return float(k)


def _tail(k: float) -> float:
    """log k! minus Stirling's ``(k + ½) log(k + 1) − (k + 1) + ½ log 2π``."""
    if k < 10:
        main = (k + 0.5) * math.log(k + 1.0) - (k + 1.0) + 0.5 * math.log(2.0 * math.pi)
        return math.lgamma(k + 1.0) - main
    square = (k + 1.0) ** 2
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1.0)
