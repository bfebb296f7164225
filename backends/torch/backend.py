"""PyTorch's arrays without its autograd: the device ``torch``, on the CPU."""

from __future__ import annotations

from typing import Any

from xptorch._core.backend import Array, Backend


class TorchBackend(Backend):
    """PyTorch as an array library, through array_api_compat."""

    name = "torch"
    hint = "pip install torch"

    def __init__(self) -> None:
        import array_api_compat.torch as xp
        import torch

        super().__init__(xp)
        self.torch = torch

    def raw_device(self, index: int | None) -> Any:
        return "cpu"

    def from_host(self, array: Any, index: int | None) -> Array:
        return self.torch.from_numpy(array.copy())

    def to_host(self, x: Array) -> Any:
        return x.numpy()

    def shares_memory(self, y: Array, x: Array) -> bool:
        return bool(y.untyped_storage().data_ptr() == x.untyped_storage().data_ptr())

    def address(self, x: Array) -> int:
        return int(x.data_ptr())

    def strides(self, x: Array) -> tuple[int, ...]:
        return super().strides(x) if 0 in x.shape else tuple(x.stride())

    def as_strided(
        self, x: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> Array:
        return x.as_strided(shape, strides, x.storage_offset() + offset)

    def diagonal(self, x: Array, offset: int) -> Array:
        return x.diagonal(offset, -2, -1)

    def reshape_view(self, x: Array, shape: tuple[int, ...]) -> Array | None:
        y = x.reshape(shape)
        return y if self.shares_memory(y, x) else None


BACKEND = TorchBackend
