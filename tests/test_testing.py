"""assert_close and make_tensor: each test holds for both libraries."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

nan, inf = float("nan"), float("inf")


@pytest.fixture(params=["xptorch", "torch"])
def torch(request: pytest.FixtureRequest) -> Any:
    """The library under test."""
    if request.param == "torch":
        pytest.importorskip("torch")
    import_module(f"{request.param}.testing")
    return import_module(request.param)


@pytest.mark.parametrize(
    ("actual", "expected", "options"),
    [
        ([1.0, 2.0], [1.0, 2.0 + 1e-6], {}),
        ([1.0, inf], [1.0, inf], {}),
        ([1.0, nan], [1.0, nan], {"equal_nan": True}),
        ([1.0, 2.0], [1.0, 2.1], {"rtol": 0.1, "atol": 0.0}),
        ([1, 2], [1, 2], {}),
        ([1.0], [1], {"check_dtype": False}),
        ([], [], {}),
    ],
)
def test_close_tensors(torch: Any, actual: Any, expected: Any, options: Any) -> None:
    torch.testing.assert_close(torch.tensor(actual), torch.tensor(expected), **options)


def test_close_values_of_other_kinds(torch: Any) -> None:
    close, t = torch.testing.assert_close, torch.tensor
    close(None, None)
    close(1.0, 1.0 + 1e-9)
    close(1.0, 1, check_dtype=False)
    close(np.float64(1.0), 1.0)
    close(np.ones(2), np.ones(2))
    close((t(1.0), [t(2)]), [t(1.0), (t(2),)])
    close({"a": t(1.0), "b": [1, 2]}, {"b": [1, 2], "a": t(1.0)})
    close(torch.ones(2, requires_grad=True), torch.ones(2))


MESSAGES = [
    (
        [1.0, 2.0],
        [1.0, 2.1],
        "Tensor-likes are not close!\n\nMismatched elements: 1 / 2 (50.0%)\n"
        "Greatest absolute difference: 0.09999990463256836 at index (1,) (up to 1e-05 allowed)\n"
        "Greatest relative difference: 0.04761900380253792 at index (1,) (up to 1.3e-06 allowed)",
    ),
    (
        [[1, 2], [3, 4]],
        [[1, 2], [3, 6]],
        "Tensor-likes are not equal!\n\nMismatched elements: 1 / 4 (25.0%)\n"
        "Greatest absolute difference: 2 at index (1, 1)\n"
        "Greatest relative difference: 0.3333333432674408 at index (1, 1)",
    ),
    (
        [1.0, 0.5],
        [1.0, nan],
        "Tensor-likes are not close!\n\nMismatched elements: 1 / 2 (50.0%)\n"
        "Greatest absolute difference: nan at index (1,) (up to 1e-05 allowed)\n"
        "Greatest relative difference: nan at index (1,) (up to 1.3e-06 allowed)",
    ),
    (
        1.0,
        2.0,
        "Scalars are not close!\n\nExpected 2.0 but got 1.0.\n"
        "Absolute difference: 1.0 (up to 1e-05 allowed)\n"
        "Relative difference: 0.5 (up to 1.3e-06 allowed)",
    ),
    ([1.0], [1.0, 2.0], "The values for attribute 'shape' do not match: torch.Size([1]) != torch."),
    ([1.0], [1], "The values for attribute 'dtype' do not match: torch.float32 != torch.int64."),
]


@pytest.mark.parametrize(("actual", "expected", "text"), MESSAGES)
def test_messages(torch: Any, actual: Any, expected: Any, text: str) -> None:
    with pytest.raises(AssertionError) as e:
        torch.testing.assert_close(torch.tensor(actual), torch.tensor(expected))
    assert str(e.value).replace("xptorch", "torch").startswith(text)


@pytest.mark.parametrize(
    ("actual", "expected", "text"),
    [
        (1, 2, "Scalars are not equal!\n\nExpected 2 but got 1.\nAbsolute difference: 1\nRelat"),
        (1.0, 1, "The (d)types do not match: <class 'float'> != <class 'int'>."),
        (True, False, "Booleans mismatch: True is not False"),
        (None, 1, "None mismatch: None is not 1"),
        ([1], [1, 2], "The length of the sequences mismatch: 1 != 2"),
        ({"a": 1}, {"b": 1}, "The keys of the mappings do not match:\nMissing keys in the actual"),
    ],
)
def test_messages_of_other_kinds(torch: Any, actual: Any, expected: Any, text: str) -> None:
    with pytest.raises(AssertionError) as e:
        torch.testing.assert_close(actual, expected)
    assert str(e.value).startswith(text)


def test_where_in_nested_values(torch: Any) -> None:
    with pytest.raises(AssertionError, match=r"\n\nThe failure occurred for item \['a'\]\[1\]$"):
        torch.testing.assert_close({"a": [1, 2]}, {"a": [1, 3]})


def test_other_checks(torch: Any) -> None:
    close, t = torch.testing.assert_close, torch.tensor
    with pytest.raises(AssertionError, match=r"attribute 'stride\(\)' do not match: \(1, 2\) !="):
        close(torch.ones(2, 2).T, torch.ones(2, 2), check_stride=True)
    with pytest.raises(AssertionError, match=r"^mine$"):
        close(t(1.0), t(2.0), msg="mine")
    with pytest.raises(AssertionError, match=r"^first\nScalars are not close"):
        close(t(1.0), t(2.0), msg=lambda text: "first\n" + text)
    with pytest.raises(ValueError, match="Both 'rtol' and 'atol' must be either specified"):
        close(t(1.0), t(1.0), rtol=1.0)
    for pair in (("a", "a"), (t([1.0]), [1.0]), (t([1.0]), 1.0), ({1}, {1})):
        with pytest.raises(TypeError, match="No comparison pair was able to handle inputs"):
            close(*pair)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8", "bool", "complex64"])
@pytest.mark.parametrize(
    "options",
    [{}, {"low": 0, "high": 2}, {"noncontiguous": True}, {"exclude_zero": True}],
    ids=lambda o: "-".join(o),
)
def test_made_tensors_are_pytorchs(dtype: str, options: Any) -> None:
    oracle = pytest.importorskip("torch")
    made = []
    for name in ("torch", "xptorch"):
        torch = import_module(name)
        torch.manual_seed(3)
        make = import_module(f"{name}.testing").make_tensor
        made.append(make((4, 5), dtype=getattr(torch, dtype), device="cpu", **options))
    assert made[1].stride() == made[0].stride()
    np.testing.assert_array_equal(made[1].numpy(), made[0].numpy())
    assert oracle.is_tensor(made[0])


def test_made_tensors(torch: Any) -> None:
    make = torch.testing.make_tensor
    t = make(3, 4, dtype=torch.float64, device="cpu", requires_grad=True)
    assert t.shape == (3, 4)
    assert t.requires_grad
    assert make((), dtype=torch.int8, device="cpu").shape == ()
    with pytest.raises(ValueError, match="requires_grad=True"):
        make(2, dtype=torch.int64, device="cpu", requires_grad=True)
