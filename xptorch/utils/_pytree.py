"""Pytrees: flatten nested containers into leaves, and rebuild them."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

__all__ = [
    *("TreeSpec", "register_pytree_node", "tree_all", "tree_any", "tree_flatten", "tree_iter"),
    *("tree_leaves", "tree_map", "tree_map_", "tree_map_only", "tree_structure"),
    "tree_unflatten",
]
PyTree = Any
Context = Any


class _Kind(NamedTuple):
    flatten: Callable[[Any], tuple[list[Any], Any]]
    unflatten: Callable[[Any, Any], Any]


def _as_dict(d: Any) -> tuple[list[Any], Any]:
    return list(d.values()), list(d)


SUPPORTED_NODES: dict[type, _Kind] = {
    tuple: _Kind(lambda x: (list(x), None), lambda items, _: tuple(items)),
    list: _Kind(lambda x: (list(x), None), lambda items, _: list(items)),
    dict: _Kind(_as_dict, lambda items, keys: dict(zip(keys, items, strict=True))),
    OrderedDict: _Kind(_as_dict, lambda items, keys: OrderedDict(zip(keys, items, strict=True))),
    defaultdict: _Kind(
        lambda d: (list(d.values()), (d.default_factory, list(d))),
        lambda items, c: defaultdict(c[0], zip(c[1], items, strict=True)),
    ),
    deque: _Kind(lambda d: (list(d), d.maxlen), lambda items, size: deque(items, maxlen=size)),
    namedtuple: _Kind(lambda x: (list(x), type(x)), lambda items, kind: kind(*items)),  # type: ignore[dict-item]
}


def register_pytree_node(
    cls: type, flatten_fn: Any, unflatten_fn: Any, *, serialized_type_name: str | None = None
) -> None:
    """Register a class as a container: ``flatten_fn(x)`` returns children and a context."""
    if cls in SUPPORTED_NODES:
        raise ValueError(f"{cls} is already registered as pytree node.")
    SUPPORTED_NODES[cls] = _Kind(flatten_fn, unflatten_fn)


class TreeSpec:
    """The structure of a tree: its containers, without its leaves."""

    def __init__(self, type: Any = None, context: Any = None, children_specs: Any = ()) -> None:
        self.type, self.context, self.children_specs = type, context, list(children_specs)
        leaf = type is None
        self.num_leaves = 1 if leaf else sum(c.num_leaves for c in self.children_specs)
        self.num_children = len(self.children_specs)

    def unflatten(self, leaves: Any) -> Any:
        """The tree with these leaves."""
        return tree_unflatten(leaves, self)

    def is_leaf(self) -> bool:
        """Whether the tree is a leaf."""
        return self.type is None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves))

    def __repr__(self) -> str:
        if self.is_leaf():
            return "*"
        inner = ",\n".join(map(repr, self.children_specs)).replace("\n", "\n  ")
        return f"TreeSpec({self.type.__name__}, {self.context}, [{inner}])"


def _kind(x: Any) -> Any:
    if isinstance(x, tuple) and hasattr(type(x), "_fields") and type(x) not in SUPPORTED_NODES:
        return namedtuple
    return type(x) if type(x) in SUPPORTED_NODES else None


def tree_flatten(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[Any], TreeSpec]:
    """The leaves of a tree, from left to right, and its structure."""
    kind = None if is_leaf is not None and is_leaf(tree) else _kind(tree)
    if kind is None:
        return [tree], TreeSpec()
    items, context = SUPPORTED_NODES[kind].flatten(tree)
    leaves: list[Any] = []
    specs = []
    for item in items:
        found, spec = tree_flatten(item, is_leaf)
        leaves += found
        specs.append(spec)
    return leaves, TreeSpec(kind, context, specs)


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """The tree with that structure and these leaves.

    Raises:
        ValueError: there are more or fewer leaves than the structure has.
    """
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec "
            f"refers to a pytree that holds {treespec.num_leaves} items ({treespec})."
        )
    return _build(iter(leaves), treespec)


def _build(leaves: Iterator[Any], spec: TreeSpec) -> Any:
    if spec.is_leaf():
        return next(leaves)
    items = [_build(leaves, child) for child in spec.children_specs]
    return SUPPORTED_NODES[spec.type].unflatten(items, spec.context)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of a tree."""
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> Iterator[Any]:
    """An iterator over the leaves of a tree."""
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The structure of a tree."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable[..., Any],
    tree: Any,
    *rests: Any,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """The tree with `func` applied to each leaf and the corresponding subtrees of `rests`."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [_leaves_as(spec, r) for r in rests]
    return tree_unflatten(list(map(func, leaves, *others)), spec)


def _leaves_as(spec: TreeSpec, tree: Any) -> list[Any]:
    """The subtrees of a tree at the positions of the leaves of `spec`."""
    if spec.is_leaf():
        return [tree]
    if _kind(tree) is not spec.type:
        raise ValueError(f"Node type mismatch; expected {spec.type}, but got {type(tree)}.")
    items, _ = SUPPORTED_NODES[spec.type].flatten(tree)
    if len(items) != spec.num_children:
        raise ValueError(
            f"Node arity mismatch; expected {spec.num_children}, but got {len(items)}."
        )
    pairs = zip(spec.children_specs, items, strict=True)
    return [leaf for child, item in pairs for leaf in _leaves_as(child, item)]


def broadcast_prefix(prefix: Any, tree: Any) -> list[Any] | None:
    """For each leaf of `tree` the leaf of `prefix` at or above it; None if they do not match."""
    kind = _kind(prefix)
    if kind is None:
        return [prefix for _ in tree_leaves(tree)]
    if _kind(tree) is not kind:
        return None
    known, keys = SUPPORTED_NODES[kind].flatten(prefix)
    children, others = SUPPORTED_NODES[kind].flatten(tree)
    if keys != others or len(known) != len(children):
        return None
    parts = [broadcast_prefix(*pair) for pair in zip(known, children, strict=True)]
    return None if None in parts else [leaf for part in parts if part is not None for leaf in part]


def tree_map_(
    func: Callable[..., Any],
    tree: Any,
    *rests: Any,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """Call `func` on each leaf and return the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(
    type_or_types: Any, /, func: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """The tree with `func` applied to each leaf that has one of the types."""
    return tree_map(lambda x: func(x) if isinstance(x, type_or_types) else x, tree, is_leaf=is_leaf)


def tree_all(pred: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether `pred` holds for every leaf."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Any, tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> bool:
    """Whether `pred` holds for any leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))
