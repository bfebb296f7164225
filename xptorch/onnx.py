"""ONNX: not supported. The names exist so that programs run as long as they export nothing."""

from __future__ import annotations

from typing import Any


class OnnxExporterError(RuntimeError):
    """An error of the exporter."""


def is_in_onnx_export() -> bool:
    """False: nothing is exported."""
    return False


def export(*args: Any, **kwargs: Any) -> Any:
    """Raises NotImplementedError."""
    raise NotImplementedError("onnx.export is not supported")
