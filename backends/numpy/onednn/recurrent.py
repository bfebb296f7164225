"""LSTM layers on plain batches: all steps in one call.

oneDNN's backward also computes the gradients of the weights, so it replaces the whole VJP. It
consumes the workspace that forward saved: a second backward uses what NumPy's kernel saves.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from xptorch.backends.numpy.kernels import recurrent
from xptorch.backends.numpy.onednn import library as dnn

from xptorch._core.backend import Array

_PAYS_FROM = 1 << 20  # multiplications; below it saves a millisecond at most
# The memory order of PyTorch's weights; oneDNN's axes are (1, 1, inputs, gates, s).
_WEIGHTS = 0, 1, 3, 4, 2
# Inputs, weights, bias and results: x, h, c; w_ih, w_hh; y, h, c. Then their gradients.
_GIVEN = dnn.SRC, dnn.SRC + 1, dnn.SRC + 2, dnn.WEIGHTS, dnn.WEIGHTS + 1, dnn.BIAS
_FORWARD = *_GIVEN, dnn.DST, dnn.DST + 1, dnn.DST + 2
_BACKWARD = tuple([which + dnn.DIFF_SRC - dnn.SRC for which in _FORWARD])

Sizes = tuple[int, ...]


class _Kept(Sequence[Array]):
    """What oneDNN's backward takes, and what NumPy's kernel saves, computed lazily.

    Args:
        given: x, h, c, w_ih, w_hh, bias.
        results: y, h, c.
    """

    def __init__(
        self, built: Any, given: Any, results: Any, workspace: Array, options: Any
    ) -> None:
        self.built, self.given, self.results = built, given, results
        self.workspace, self.options = workspace, options

    @cached_property
    def arrays(self) -> Any:
        bias = self.given[-1]
        found = recurrent.lstm_forward(*self.given, np.zeros_like(bias), None, **self.options)
        return found[1]

    def __getitem__(self, index: Any) -> Any:
        return self.arrays[index]

    def __len__(self) -> int:
        return len(self.arrays)


@dnn.kept
def _built(
    steps: int, n: int, width: int, s: int, reverse: bool, threads: int
) -> tuple[dnn.Primitive, dnn.Primitive, int] | None:
    """Forward, backward, and the workspace size in bytes; None where oneDNN does not support it."""
    x, y, state = (dnn.dense(d) for d in ((steps, n, width), (steps, n, s), (1, 1, n, s)))
    shapes = [(1, 1, k, 4, s) for k in (width, s)]
    transposed, plain = [dnn.dense(d) for d in shapes], [dnn.dense(d, _WEIGHTS) for d in shapes]
    rest = None, None, dnn.dense((1, 1, 4, s)), y, state, state
    inputs, direction = (x, state, state), 1 + reverse
    forward = dnn.describe("lstm_forward", dnn.FORWARD, direction, *inputs, *transposed, *rest, 0)
    both = *inputs, *plain, *rest, *inputs, *transposed, *rest
    backward = dnn.describe("lstm_backward", dnn.BACKWARD, direction, *both, 0, forward)
    return (
        dnn.Primitive(forward, (*_FORWARD, dnn.WORKSPACE)),
        dnn.Primitive(backward, (*_FORWARD, dnn.WORKSPACE, *_BACKWARD)),
        dnn.size(dnn.argument(forward, dnn.WORKSPACE)),
    )


def _found(x: Array, w_hh: Array, sizes: Sizes, reverse: bool, *others: Any) -> Any:
    """The layer's primitives, if oneDNN is available, pays off and supports it; else None."""
    (count, width), s = x.shape, w_hh.shape[1]
    work = count * w_hh.shape[0] * (width + s)
    if not dnn.handles(work >= _PAYS_FROM, x, w_hh, *others) or not recurrent._handles(sizes, x):
        return None
    return _built(len(sizes), sizes[0], width, s, reverse, dnn.threads(work // dnn.PRODUCT))


def lstm_forward(
    x: Array,
    h: Array,
    c: Array,
    w_ih: Array,
    w_hh: Array,
    b_ih: Any,
    b_hh: Any,
    w_hr: Any,
    *,
    sizes: Sizes,
    reverse: bool,
) -> Any:
    if w_hr is not None:
        return NotImplemented
    built = _found(x, w_hh, sizes, reverse, h, c, w_ih, b_ih, b_hh)
    if built is None:
        return NotImplemented
    bias = np.zeros(len(w_hh), np.float32) if b_ih is None else b_ih + b_hh
    given = x, h, c, w_ih, w_hh, bias
    results = [np.empty((len(v), h.shape[1]), np.float32) for v in (x, h, c)]
    workspace = np.empty(built[2], np.uint8)
    contiguous = [np.ascontiguousarray(v) for v in (x, h, c, w_ih.T, w_hh.T, bias)]
    built[0](*contiguous, *results, workspace)
    kept = _Kept(built, given, results, workspace, {"sizes": sizes, "reverse": reverse})
    return tuple([y.copy() for y in results]), kept


def lstm_vjp(
    g: Any,
    needs: Any,
    x: Array,
    w_ih: Array,
    w_hh: Array,
    w_hr: Any,
    aux: Any,
    sizes: Sizes,
    reverse: bool,
) -> Any:
    if not isinstance(aux, _Kept):
        return NotImplemented
    built = aux.built  # for the same number of threads: the workspace layout may depend on it
    if built is not _found(x, w_hh, sizes, reverse, *g) or "workspace" not in vars(aux):
        return NotImplemented
    workspace = vars(aux).pop("workspace")
    given = [np.ascontiguousarray(v) for v in aux.given]
    found = [np.empty(v.shape, np.float32) for v in given[:3]]
    # oneDNN accumulates into these.
    found += [np.zeros(v.shape[::-1], np.float32) for v in given[3:]]
    built[1](*given, *aux.results, workspace, *found, *map(np.ascontiguousarray, g))
    to_x, dh, dc, *transposed, to_bias = found
    to_w_ih, to_w_hh = [np.ascontiguousarray(w.T) for w in transposed]
    return to_x, dh, dc, to_w_ih, to_w_hh, to_bias, to_bias, None
