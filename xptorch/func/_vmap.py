"""vmap: a function mapped over a batch, sample by sample.

PyTorch rewrites each operation to work on the whole batch; here the function is called for each
sample and the results are stacked, which gives the same values for any function, at the cost of
one call per sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from xptorch import random
from xptorch.ops._common import is_tensor
from xptorch.ops.shape import creation, joining
from xptorch.utils._pytree import broadcast_prefix, tree_flatten, tree_structure

Function = Callable[..., Any]


def vmap(
    func: Function,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Function:
    """A function that maps `func` over an axis of its arguments, and stacks the results.

    Args:
        in_dims: which axis of each argument to map over, None for arguments not mapped; nested like
            the positional arguments, or one number for all. Keyword arguments are not mapped.
        out_dims: the index of the axis in each result; None for results that are the same for all.
        randomness: what random operations do: "error" raise, "different" draw for each sample,
            "same" draw the same for all. Values drawn per sample differ from those that PyTorch
            draws for a batch at once.
        chunk_size: the maximum number of samples processed at once; has no effect here.

    Raises:
        ValueError: the arguments, `in_dims` or `out_dims` do not fit together.
        NotImplementedError: `func` changes an argument in place that is not mapped.

    Example:
        >>> import xptorch as torch
        >>> torch.vmap(torch.dot)(torch.ones(3, 2), torch.ones(3, 2))
        tensor([2., 2., 2.])
    """
    check_randomness(randomness)
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    name = getattr(func, "__name__", repr(func))

    @wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if not args:
            raise ValueError(
                f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you "
                "are trying to vmap over a function with no inputs. The latter is unsupported."
            )
        leaves, rebuild = tree_flatten(args)
        axes = _checked(name, in_dims, leaves, _axes(name, in_dims, args))
        size = _size(leaves, axes)
        split = [
            x if axis is None else _samples(x, axis) for x, axis in zip(leaves, axes, strict=True)
        ]
        whole = [x for x, a in zip(leaves, axes, strict=True) if a is None and is_tensor(x)]
        versions = [x._version for x in whole]
        results = []
        before = random.get_rng_state()
        for i in range(max(size, 1)):
            if randomness == "same":
                random.set_rng_state(before)
            own = [x if a is None else x[i] for x, a in zip(split, axes, strict=True)]
            results.append(func(*rebuild.unflatten(own), **kwargs))
        if versions != [x._version for x in whole]:
            raise NotImplementedError("vmap: an in-place change of an argument that is taken whole")
        if randomness == "error" and not before.equal(random.get_rng_state()):
            raise RuntimeError(
                "vmap: called random operation while in randomness error mode. Please either use "
                "the 'same' or 'different' randomness flags on vmap or perform the randomness "
                "operation out of vmap"
            )
        return _joined(name, results, out_dims, size)

    return wrapper


def check_randomness(randomness: str) -> None:
    """Raise RuntimeError unless it is one of the three modes."""
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. "
            f"Got {randomness}"
        )


def _axes(name: str, in_dims: Any, args: tuple[Any, ...]) -> list[Any]:
    if not isinstance(in_dims, int | tuple):
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a "
            f"(potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}."
        )
    found = broadcast_prefix(in_dims, args)
    if found is None:
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the "
            f"structure of `inputs`. in_dims has structure {tree_structure(in_dims)} but inputs "
            f"has structure {tree_structure(args)}."
        )
    return found


def _checked(name: str, in_dims: Any, leaves: list[Any], axes: list[Any]) -> list[Any]:
    """The axes, checked, and counted from the front."""
    start = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim="
    for x, axis in zip(leaves, axes, strict=True):
        if axis is None:
            continue
        if not isinstance(axis, int):
            raise ValueError(
                f"{start}{axis} for an input but in_dim must be either an integer dimension or "
                "None."
            )
        if not is_tensor(x):
            raise ValueError(
                f"{start}{axis} for an input but the input is of type {type(x)}. We cannot vmap "
                "over non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(
                f"{start}{axis} for some input, but that input is a Tensor of dimensionality "
                f"{x.ndim} so expected in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}."
            )
    return [a if a is None else a % x.ndim for x, a in zip(leaves, axes, strict=True)]


def _size(leaves: list[Any], axes: list[Any]) -> int:
    sizes = [x.shape[a] for x, a in zip(leaves, axes, strict=True) if a is not None]
    if not sizes:
        raise ValueError("vmap: at least one input must be mapped over: all in_dims are None")
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return int(sizes[0])


def _samples(x: Any, axis: int) -> Sequence[Any]:
    """The samples along an axis; one of zeros if there are none, to infer the results' shapes."""
    if x.shape[axis]:
        return tuple(x.unbind(axis))
    rest = [s for i, s in enumerate(x.shape) if i != axis]
    return (creation.zeros(rest, dtype=x.dtype, device=x.device),)


def _joined(name: str, results: list[Any], out_dims: Any, size: int) -> Any:
    first, rebuild = tree_flatten(results[0])
    axes = broadcast_prefix(out_dims, results[0])
    if axes is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with "
            f"the structure of `outputs`. out_dims has structure {tree_structure(out_dims)} but "
            f"outputs has structure {tree_structure(results[0])}."
        )
    columns = zip(*[tree_flatten(r)[0] for r in results], strict=True)
    return rebuild.unflatten(
        [_stacked(name, x, axis, size) for x, axis, _ in zip(columns, axes, first, strict=True)]
    )


def _stacked(name: str, values: Sequence[Any], axis: int | None, size: int) -> Any:
    """One result, stacked over all samples."""
    if axis is None:
        one = values[0]
        if is_tensor(one) and not all(v is one or v.equal(one) for v in values):
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return one
    if not all(is_tensor(v) for v in values):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(values[0])}. "
            "Did you mean to set out_dims= to None for output?"
        )
    return joining.stack(values[:size] or values, axis).narrow(axis, 0, size)
