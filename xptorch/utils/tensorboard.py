"""SummaryWriter of the tensorboardX package, which writes TensorBoard's files without PyTorch."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name not in ("SummaryWriter", "FileWriter", "RecordWriter"):
        raise AttributeError(f"xptorch has no torch.utils.tensorboard.{name}")
    try:
        import tensorboardX
    except ImportError:
        raise ModuleNotFoundError(
            f"utils.tensorboard.{name} needs the package tensorboardX: pip install tensorboardX"
        ) from None
    return getattr(tensorboardX, name)
