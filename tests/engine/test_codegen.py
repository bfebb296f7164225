"""The source code that is generated for ops."""

from __future__ import annotations

import linecache
import operator
from typing import Any

import pytest

import xptorch
from xptorch._engine import codegen
from xptorch._engine.op import OPS, op


@pytest.mark.parametrize("source", [codegen.forward_source, codegen.backward_source])
def test_every_op_can_be_generated(source: object) -> None:
    assert len(OPS) > 200
    for name, call in OPS.items():
        if source is codegen.backward_source or not call.op.variadic:  # type: ignore[attr-defined]
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
        locations = [(e.frame.code.raw.co_filename, e.lineno + 1) for e in raised.traceback]
        (generated,) = [at for at in locations if at[0] == "<forward_source(_broken)>"]
        assert "_mode.run(_forward" in linecache.getline(*generated)
    finally:
        del OPS["_broken"]


OPERATORS = [
    *[(operator.add, xptorch.add), (operator.sub, xptorch.sub)],
    *[(operator.mul, xptorch.mul), (operator.truediv, xptorch.div)],
]


@pytest.mark.parametrize(("sign", "function"), OPERATORS)
def test_an_operator_does_what_its_function_does(sign: Any, function: Any) -> None:
    """Also where the operands' types differ, which the function handles, errors included."""
    floats, wide = xptorch.arange(6.0).reshape(2, 3), xptorch.ones(3, dtype=xptorch.float64)
    whole, truths = xptorch.tensor([1, 2, 3]), xptorch.tensor([True, False, True])
    view = floats[:1]
    floats += 1  # the view changes, too
    for other in (floats, view, wide, whole, truths, 2, 0.5, True, xptorch.ones(2), None, "x"):
        for one in (floats, view, whole, truths):
            found, expected = attempt(sign, one, other), attempt(function, one, other)
            if isinstance(expected, xptorch.Tensor):
                assert found.dtype is expected.dtype
                assert xptorch.equal(found.nan_to_num(), expected.nan_to_num())
            else:
                assert found[0] is expected[0]
                assert found[1] == expected[1] or found[0] is TypeError  # whose message is Python's


def attempt(function: Any, *args: Any) -> Any:
    """The result, or the error's type and message."""
    try:
        return function(*args)
    except Exception as error:
        return type(error), str(error)


def test_an_operator_of_tensors_alike_calls_no_function(monkeypatch: pytest.MonkeyPatch) -> None:
    x = xptorch.ones(2, requires_grad=True)
    product = x * x  # generated code
    monkeypatch.setitem(type(x).__mul__.__globals__, "_otherwise", None)
    (x * product).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
