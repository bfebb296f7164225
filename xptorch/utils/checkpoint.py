"""Checkpointing: free what part of a network saved, and recompute it in the backward pass."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable
from typing import Any

from xptorch import random
from xptorch._core.mode import local
from xptorch._engine import graph
from xptorch._engine.grad_mode import enable_grad, no_grad
from xptorch._engine.graph import Node
from xptorch.nn import Sequential
from xptorch.ops._common import is_tensor

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn"]


class CheckpointError(RuntimeError):
    """The recomputation differs from the original forward pass."""


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that do nothing, for the forward pass and the recomputation."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """``function(*args, **kwargs)``; it saves nothing for backward, which runs it again.

    Args:
        function: the function to compute; it must do the same in each call.
        args: its arguments.
        use_reentrant: True is PyTorch's older variant: one of the arguments must require gradients.
        context_fn: returns two contexts, for the forward pass and for the recomputation.
        determinism_check: "default" compares shapes and dtypes of both runs; "none" does not.
        debug: accepted; the error always reports what differs.
        early_stop: accepted; the recomputation always runs to its end.
        kwargs: more arguments, and `preserve_rng_state`: whether the recomputation draws the same
            random numbers (True).

    Raises:
        CheckpointError: in backward, if the recomputation records other operations than the
            forward pass.
        ValueError: keyword arguments with ``use_reentrant=True``, or unknown settings.

    Example::

        >>> import xptorch as torch
        >>> from xptorch.utils.checkpoint import checkpoint
        >>> x = torch.ones(2, requires_grad=True)
        >>> checkpoint(lambda x: x * x, x, use_reentrant=False).sum().backward()
        >>> x.grad
        tensor([2., 2.])
    """
    if use_reentrant is None:
        _warn_of_default("checkpoint")
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'], but got {determinism_check}"
        )
    if use_reentrant and kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if use_reentrant and (context_fn is not noop_context_fn or debug):
        raise ValueError(
            "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
        )
    if use_reentrant and not any(is_tensor(a) and a.requires_grad for a in args):
        if local.mode.enabled:
            warnings.warn(
                "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2
            )
        with no_grad():
            return function(*args)
    segment = _Segment(function, args, kwargs, preserve, determinism_check == "default")
    return segment.forward(*context_fn())


def _warn_of_default(name: str) -> None:
    warnings.warn(
        f"torch.utils.checkpoint: {name} was called without use_reentrant, which is to be passed "
        "explicitly; it is True for now. use_reentrant=False is recommended.",
        stacklevel=3,
    )


class _Segment:
    """A part of the graph whose nodes have freed what they saved, and how to recompute it."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        preserve: bool,
        check: bool,
    ) -> None:
        self.function, self.args, self.kwargs, self.check = function, args, kwargs, check
        self.state = random.default_generator.state_bytes() if preserve else None
        self.casts = _autocast_state()
        self.nodes: list[Node] = []

    def forward(self, first: Any, second: Any) -> Any:
        self.recompute_context = second
        start = next(graph.sequence_counter)
        with first:
            out = self.function(*self.args, **self.kwargs)
        self.nodes = _recorded(out, start)
        self.kept = [_Metadata(node) for node in self.nodes]
        for node in self.nodes:
            if type(node) is Node:
                node.__class__ = _NodeWithoutSaved
                node.saved, node.versions = {"segment": self}, []
        return out

    def recompute(self) -> None:
        """Run the function again, and give each node the saved values of its recomputed node."""
        start = next(graph.sequence_counter)
        with contextlib.ExitStack() as stack:
            if self.state is not None:
                stack.enter_context(random.fork_rng())
                random.default_generator.load_state_bytes(self.state)
            for context in (self.recompute_context, self.casts(), enable_grad()):
                stack.enter_context(context)
            twins = _recorded(self.function(*self.args, **self.kwargs), start)
        if [n.name() for n in twins] != [n.name for n in self.kept]:
            raise CheckpointError(
                "torch.utils.checkpoint: other operations were recorded during the original "
                f"forward ({', '.join(n.name for n in self.kept)}) and recomputation "
                f"({', '.join(n.name() for n in twins)})."
            )
        for node, twin, kept in zip(self.nodes, twins, self.kept, strict=True):
            found = _Metadata(twin)
            if self.check and found != kept:
                raise CheckpointError(
                    "torch.utils.checkpoint: Recomputed values for the following tensors have "
                    "different metadata than during the forward pass.\n"
                    f"saved metadata: {kept}\nrecomputed metadata: {found}"
                )
            if type(node) is _NodeWithoutSaved:
                node.__class__ = Node  # type: ignore[assignment]
                node.saved, node.versions = twin.saved, twin.versions


class _NodeWithoutSaved(Node):
    """A node that recomputes its saved values when they are accessed."""

    __slots__ = ()

    def check(self) -> dict[str, Any]:
        segment: _Segment = (self.saved or {})["segment"]
        segment.recompute()
        return self.check()  # its class is Node by now


class _Metadata:
    """A node's name, and the shapes and dtypes of its saved arrays."""

    def __init__(self, node: Node) -> None:
        self.name = node.name()
        values = (node.saved or {}).items()
        self.arrays = {
            name: (tuple(x.shape), str(x.dtype)) for name, x in values if hasattr(x, "dtype")
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Metadata) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{self.name}({self.arrays})"


def _recorded(out: Any, start: int) -> list[Node]:
    """The ancestor nodes of the tensors in `out` from sequence number `start` on, oldest first."""
    from xptorch.utils import _pytree

    roots = [t._node for t in _pytree.tree_leaves(out) if is_tensor(t)]
    found, stack = set(), [n for n in roots if n is not None]
    while stack:
        node = stack.pop()
        if node not in found and node.sequence_nr >= start:
            found.add(node)
            stack += [e for e in node.edges if isinstance(e, Node)]
    return sorted(found, key=lambda n: n.sequence_nr)


def _autocast_state() -> Callable[[], Any]:
    """A function that returns a context with the current autocast state."""
    casting = local.mode.casting

    @contextlib.contextmanager
    def restored() -> Any:
        before, local.mode.casting = local.mode.casting, casting
        try:
            yield
        finally:
            local.mode.casting = before

    return restored


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Run a sequence of functions or modules in `segments` parts, each but the last checkpointed.

    Args:
        functions: a Sequential, or a list of modules or functions, each applied to the output of
            the one before.
        segments: the number of parts.
        input: the input of the first one.
        use_reentrant: see `checkpoint`.
        kwargs: `preserve_rng_state`.
    """
    if use_reentrant is None:
        _warn_of_default("checkpoint_sequential")
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    steps = list(functions.children() if isinstance(functions, Sequential) else functions)
    size = len(steps) // segments

    def part(start: int, end: int) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for step in steps[start:end]:
                x = step(x)
            return x

        return run

    for start in range(0, size * (segments - 1), size) if size else ():
        input = checkpoint(
            part(start, start + size),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve,
        )
    return part(size * (segments - 1), len(steps))(input)
