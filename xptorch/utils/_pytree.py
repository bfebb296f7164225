"""Nested tuples, lists and dicts as their leaves and what is around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The tree with ``f(leaf, …)`` for each leaf, where others of the same structure go along.

    Raises:
        ValueError: `rest` has another structure.
    """
    children = _children(tree)
    if children is None:
        return f(tree, *rest)
    others = [_children(r) for r in rest]
    keys = list(children)
    if any(type(r) is not type(tree) or o is None or list(o) != keys
           for r, o in zip(rest, others, strict=True)):  # fmt: skip
        raise ValueError(f"trees differ: {tree_structure(tree)} and others")
    made = [tree_map(f, children[k], *[o[k] for o in others if o]) for k in keys]
    if isinstance(tree, dict):
        return type(tree)(zip(keys, made, strict=True))
    return type(tree)(*made) if hasattr(tree, "_fields") else type(tree)(made)


def tree_leaves(tree: Any) -> list[Any]:
    """The leaves, in order."""
    return list(_walk(tree))


def tree_flatten(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The leaves, and a function that puts others in their places."""
    leaves = tree_leaves(tree)

    def unflatten(others: list[Any]) -> Any:
        given = iter(others)
        return tree_map(lambda _: next(given), tree)

    return leaves, unflatten


def tree_structure(tree: Any) -> str:
    """What is around the leaves, each of which is a ``*``."""
    children = _children(tree)
    if children is None:
        return "*"
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{k!r}: {tree_structure(v)}" for k, v in tree.items()) + "}"
    inner = ", ".join(tree_structure(c) for c in children.values())
    if isinstance(tree, list):
        return f"[{inner}]"
    return f"({inner},)" if len(children) == 1 else f"({inner})"


def broadcast_prefix(prefix: Any, tree: Any) -> list[Any] | None:
    """For each leaf of `tree` the leaf of `prefix` at or above it; None where they do not fit."""
    known = _children(prefix)
    if known is None:
        return [prefix for _ in _walk(tree)]
    children = _children(tree)
    if children is None or type(tree) is not type(prefix) or list(known) != list(children):
        return None
    parts = [broadcast_prefix(known[k], children[k]) for k in known]
    return None if None in parts else [leaf for part in parts if part is not None for leaf in part]


def _children(tree: Any) -> dict[Any, Any] | None:
    if isinstance(tree, dict):
        return tree
    return dict(enumerate(tree)) if isinstance(tree, tuple | list) else None


def _walk(tree: Any) -> Iterator[Any]:
    children = _children(tree)
    if children is None:
        yield tree
        return
    for child in children.values():
        yield from _walk(child)
