"""PyTorch's names of backward nodes, for the ops whose own names differ."""

from __future__ import annotations

from typing import Any

from xptorch._engine import graph


def _static(node: Any, name: str) -> Any:
    return (node.saved or {}).get(name)


def _reduction(stem: str, full: int, part: int) -> Any:
    """A name that depends on whether all axes were reduced."""

    def name(node: Any) -> str:
        shape, axis = _static(node, "a_shape"), _static(node, "axis")
        whole = not _static(node, "keepdims") and (
            shape is None or axis is None or len(axis) == len(shape)
        )
        return f"{stem}Backward{full if whole else part}"

    return name


def _getitem(node: Any) -> str:
    key = _static(node, "key")
    for part in reversed(key if isinstance(key, tuple) else (key,)):
        if isinstance(part, slice):
            return "SliceBackward0"
        if part is None:
            return "UnsqueezeBackward0"
        if isinstance(part, int):
            return "SelectBackward0"
    return "AliasBackward0"


def _pow(node: Any) -> str:
    base, exponent = node.edges
    return f"PowBackward{0 if exponent is None else 2 if base is None else 1}"


def _permute(node: Any) -> str:
    axes = _static(node, "axes") or ()
    moved = sum(i != a for i, a in enumerate(axes))
    return "TransposeBackward0" if moved == 2 else "PermuteBackward0"


def _split(node: Any) -> str:
    sizes = _static(node, "sizes") or (1,)
    even = len(set(sizes[:-1])) < 2 and sizes[-1] <= sizes[0]
    return "SplitBackward0" if even else "SplitWithSizesBackward0"


def _squeeze(node: Any) -> str:
    shape, axis = _static(node, "a_shape") or (), _static(node, "axis") or ()
    return f"SqueezeBackward{1 if len(axis) < shape.count(1) else 0}"


def _matmul(node: Any) -> str:
    saved = node.saved or {}
    ndims = [len(saved[k].shape) for k in ("a", "b") if hasattr(saved.get(k), "shape")]
    if max(ndims, default=2) > 2:
        return "UnsafeViewBackward0"
    names = {(1, 1): "Dot", (1,): "Mv", (1, 2): "Mv"}
    return f"{names.get(tuple(sorted(ndims)), 'Mm')}Backward0"


graph.setup.names.update(
    {
        "sum": _reduction("Sum", 0, 1),
        "mean": _reduction("Mean", 0, 1),
        "prod": _reduction("Prod", 0, 1),
        "max": _reduction("Max", 1, 0),
        "min": _reduction("Min", 1, 0),
        "getitem": _getitem,
        "pow": _pow,
        "permute_dims": _permute,
        "split": _split,
        "squeeze": _squeeze,
        "matmul": _matmul,
        **{
            op: f"{name}Backward0"
            for op, name in {
                "segment_sum": "IndexAdd",
                "astype": "ToCopy",
                "bce": "BinaryCrossEntropy",
                "bce_with_logits": "BinaryCrossEntropyWithLogits",
                "batch_norm": "NativeBatchNorm",
                "batch_norm_fixed": "NativeBatchNorm",
                "broadcast_to": "Expand",
                "concat": "Cat",
                "contiguous": "Clone",
                "convolve": "Convolution",
                "convolve_input": "Convolution",
                "copy": "Clone",
                "cross_entropy": "NllLoss",
                "cumulative_prod": "Cumprod",
                "cumulative_sum": "Cumsum",
                "divide": "Div",
                "dropout": "Mul",
                "expand_dims": "Unsqueeze",
                "fold": "Col2Im",
                "gelu_tanh": "Gelu",
                "group_norm": "NativeGroupNorm",
                "where_or_zero": "MaskedFill",
                "layer_norm": "NativeLayerNorm",
                "linear": "Addmm",
                "logsigmoid": "LogSigmoid",
                "multiply": "Mul",
                "negative": "Neg",
                "nll": "NllLoss",
                "p_norm": "LinalgVectorNorm",
                "pad": "ConstantPadNd",
                "put_along_axis": "Scatter",
                "add_along_axis": "ScatterAdd",
                "reshape": "View",
                "rms_norm": "Mul",
                "root_of_variance": "Std",
                "square": "Pow",
                "subtract": "Sub",
                "take": "IndexSelect",
                "take_along_axis": "Gather",
                "unfold": "Im2Col",
                "unstack": "Unbind",
            }.items()
        },
        "clip": "ClampBackward1",
    }
)
