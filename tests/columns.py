"""The columns of the test table: one array library each, and assertions that check its device."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

import xptorch
from xptorch._core import device as devices
from xptorch._core import registry
from xptorch._engine import graph

# Columns whose name is not their device's; any other backend's name is a column, too.
DEVICES = {"numpy": "cpu", "numpy_readonly": "cpu", "cupy": "cuda"}
COLUMNS = ("numpy", "numpy_readonly", "array_api_strict", "torch", "cupy")
# rtol and atol of results, by dtype
TOLERANCES = {"float16": (4e-3, 1e-3), "float32": (1e-5, 1e-5), "float64": (1e-7, 1e-9)}


@dataclass(frozen=True)
class Column:
    """An array library under test."""

    name: str

    @property
    def device(self) -> Any:
        return devices.resolve(DEVICES.get(self.name, self.name))

    def has(self, dtype: str) -> bool:
        """Whether the library has the dtype."""
        return hasattr(self.device.xp, dtype)

    def tensor(self, array: Any, requires_grad: bool = False, strided: bool = False) -> Any:
        """A tensor of the column with the values of a NumPy array.

        Args:
            strided: store the elements permuted and with gaps, where the library has views.
        """
        on = self.device
        array = np.asarray(array)
        if strided:
            transposed = array.transpose()
            raw = on.backend.from_host(np.stack([transposed, transposed], axis=-1), on.index)
            raw = on.xp.permute_dims(raw[..., 0], tuple(reversed(range(array.ndim))))
        else:
            raw = on.backend.from_host(array, on.index)
        if self.name == "numpy_readonly":
            raw.flags.writeable = False
        return graph.wrap(raw, on).requires_grad_(requires_grad)

    def assert_close(self, actual: Any, expected: Any) -> None:
        """Compare two tensors, or tuples of them, both of which must be on the column's device.

        Raises:
            AssertionError: values, dtypes, shapes or structure differ, or a side is an array of
                another library or device than the column's.
        """
        if isinstance(expected, list | tuple):
            assert isinstance(actual, list | tuple), f"{type(actual)} is no sequence"
            assert len(actual) == len(expected)
            for a, b in zip(actual, expected, strict=True):
                self.assert_close(a, b)
        elif isinstance(expected, xptorch.Tensor):
            self._assert_tensor_close(actual, expected)
        else:
            assert type(actual) is type(expected), f"{actual!r} for {expected!r}"
            assert actual == expected

    def _assert_tensor_close(self, actual: Any, expected: Any) -> None:
        for side in (actual, expected):
            assert isinstance(side, xptorch.Tensor), f"{type(side)} is no Tensor"
            assert side.device is self.device, f"a tensor on {side.device}, not on {self.device}"
            assert isinstance(side._data, self.device.ndarray), f"holds a {type(side._data)}"
        assert actual.dtype is expected.dtype, f"{actual.dtype} for {expected.dtype}"
        assert actual.shape == expected.shape, f"{actual.shape} for {expected.shape}"
        rtol, atol = TOLERANCES.get(expected.dtype.name, (0.0, 0.0))
        np.testing.assert_allclose(host(actual), host(expected), rtol, atol)


def host(t: Any) -> np.ndarray:
    """A tensor's values as a NumPy array."""
    return np.asarray(t._device.backend.to_host(t._data))


def chosen() -> list[Column]:
    """The columns that XPTORCH_TEST_BACKENDS names (all of which must work), or all that work."""
    asked = os.environ.get("XPTORCH_TEST_BACKENDS", "")
    if asked:
        return [Column(name.strip()) for name in asked.split(",")]
    return [Column(n) for n in COLUMNS if registry.works(n.removesuffix("_readonly"))]
