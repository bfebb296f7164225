"""Settings of spatial layers: one number for all axes, or one for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any


def for_each_axis(value: Any, count: int) -> tuple[Any, ...]:
    """`value` for each of `count` axes; an iterable already has one for each."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * count


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    def parse(value: Any) -> tuple[Any, ...]:
        return for_each_axis(value, n)

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def _reverse_repeat_tuple(t: Sequence[Any], n: int) -> tuple[Any, ...]:
    """The last element n times, then the one before it, and so on: paddings for `F.pad`."""
    return tuple(x for x in reversed(t) for _ in range(n))


def _list_with_default(out_size: Any, defaults: Sequence[int]) -> Any:
    """`out_size` with the last of `defaults` where it has None."""
    if isinstance(out_size, int):
        return out_size
    if len(defaults) <= len(out_size):
        raise ValueError(f"Input dimension should be at least {len(out_size) + 1}")
    last = defaults[-len(out_size) :]
    return [d if v is None else v for v, d in zip(out_size, last, strict=True)]


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Any], prefix: str) -> None:
    """Remove a prefix, such as ``"module."``, from the keys of a state dict, in place.

    Args:
        state_dict: what `Module.state_dict` returned.
        prefix: what to remove, its dot included.
    """
    for mapping, cut in ((state_dict, prefix), (getattr(state_dict, "_metadata", {}), prefix[:-1])):
        for key in list(mapping):
            if key.startswith(cut):
                mapping[key.removeprefix(cut).removeprefix("." * (cut != prefix))] = mapping.pop(
                    key
                )
