"""The functions that are written out for ops as source."""

from __future__ import annotations

import linecache

import pytest

import xptorch
from xptorch import _written
from xptorch._engine import OPS, op


@pytest.mark.parametrize("source", [_written.source_of_call, _written.source_of_pull])
def test_every_op_can_be_written(source: object) -> None:
    assert len(OPS) > 200
    for name, call in OPS.items():
        if source is _written.source_of_pull or not call.op.variadic:  # type: ignore[attr-defined]
            compile(source(call.op), name, "exec")  # type: ignore[operator, attr-defined]


def test_it_saves_for_the_inputs_that_want_gradients_alone() -> None:
    x, y = xptorch.ones(2, requires_grad=True), xptorch.ones(2)
    assert set((x * y)._node.saved) == {"b"}
    assert set((y * x)._node.saved) == {"a"}
    assert set((x * x)._node.saved) == {"a", "b"}


def test_tracebacks_show_it() -> None:
    def broken(xp: object, a: object) -> None:
        raise ValueError("broken")

    call = op("_broken", broken)
    try:
        with pytest.raises(ValueError, match="broken") as raised:
            call(xptorch.ones(1))
        places = [(e.frame.code.raw.co_filename, e.lineno + 1) for e in raised.traceback]
        (written,) = [place for place in places if place[0] == "<source_of_call(_broken)>"]
        assert "_mode.run(_forward" in linecache.getline(*written)
    finally:
        del OPS["_broken"]
