"""array_api_strict: the standard and nothing else, for tests of portability."""

from __future__ import annotations

from typing import Any

import numpy as np

from xptorch._core.backend import Array, Backend


class ArrayApiStrictBackend(Backend):
    """The reference implementation of the standard, on one of its simulated devices.

    That device is not the library's default one, so an op that omits `device=` when it creates an
    array fails here, as it would on a GPU.
    """

    name = "array_api_strict"
    hint = "pip install array-api-strict"

    def __init__(self) -> None:
        import array_api_strict

        super().__init__(array_api_strict)
        self.device = array_api_strict.Device("device1")
        self.host = array_api_strict.Device("CPU_DEVICE")

    def raw_device(self, index: int | None) -> Any:
        return self.device

    def ignore_fp_warnings(self) -> None:
        np.seterr(all="ignore")

    def to_host(self, x: Array) -> Any:
        return np.asarray(x.to_device(self.host))

    def shares_memory(self, y: Array, x: Array) -> bool:
        return bool(np.may_share_memory(y._array, x._array))

    def strides(self, x: Array) -> tuple[int, ...]:
        if 0 in x.shape:
            return super().strides(x)
        return tuple(s // x._array.itemsize for s in x._array.strides)

    def as_strided(
        self, x: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Array:
        memory = np.lib.stride_tricks.as_strided(x._array, (offset + 1,), (x._array.itemsize,))
        steps = tuple(s * x._array.itemsize for s in strides)
        view = np.lib.stride_tricks.as_strided(memory[offset:], shape, steps)
        return type(x)._new(view, device=x.device)


BACKEND = ArrayApiStrictBackend
