"""Whether operations are recorded: `no_grad`, `enable_grad`, `set_grad_enabled`, …"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from xptorch._core.mode import local

F = TypeVar("F", bound=Callable[..., Any])


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread."""
    return local.mode.enabled


class set_grad_enabled:
    """Switch recording on or off: at once, or for a block or function when used as a context."""

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                "set_grad_enabled(): argument 'enabled' (position 1) must be bool, "
                f"not {type(mode).__name__}"
            )
        self.target = mode
        self.before = [switch(self.target)]

    def __call__(self, function: F) -> F:
        switch(self.before.pop())
        return _in_context(lambda: set_grad_enabled(self.target), function)

    def __enter__(self) -> None:
        self.before.append(switch(self.target))

    def __exit__(self, *exc: object) -> None:
        switch(self.before.pop())
        if len(self.before) == 1:  # the switch made by the constructor ends with the block
            switch(self.before[0])

    def __repr__(self) -> str:
        return f"set_grad_enabled(mode={self.target})"


def switch(to: bool) -> bool:
    """Switch recording on or off in this thread; returns the previous setting."""
    mode = local.mode
    before, mode.enabled = mode.enabled, to
    return before


class _GradContext:
    """A context manager and decorator that sets the mode for a block."""

    target: bool

    def __init__(self) -> None:
        self.before: list[bool] = []

    def __new__(cls, function: Any = None) -> Any:
        context = super().__new__(cls)
        if function is None:
            return context
        context.__init__()  # type: ignore[misc]
        return context(function)

    def __enter__(self) -> None:
        self.before.append(switch(self.target))

    def __exit__(self, *exc: object) -> None:
        switch(self.before.pop())

    def __call__(self, function: F) -> F:
        return _in_context(type(self), function)


class no_grad(_GradContext):
    """Operations in this block or function are not recorded."""

    target = False


class enable_grad(_GradContext):
    """Operations in this block or function are recorded, also inside `no_grad`."""

    target = True


class inference_mode:
    """`no_grad` for code that will never be differentiated.

    Args:
        mode: False switches a surrounding inference mode off.
    """

    def __init__(self, mode: bool = True) -> None:
        self.on = mode
        self.before: list[tuple[bool, bool]] = []

    def __new__(cls, mode: Any = True) -> Any:
        context = super().__new__(cls)
        if callable(mode):
            context.__init__()  # type: ignore[misc]
            return context(mode)
        return context

    def __enter__(self) -> None:
        self.before.append((local.mode.enabled, local.mode.inference))
        local.mode.enabled, local.mode.inference = not self.on, self.on

    def __exit__(self, *exc: object) -> None:
        local.mode.enabled, local.mode.inference = self.before.pop()

    def __call__(self, function: F) -> F:
        return _in_context(lambda: inference_mode(self.on), function)


def is_inference_mode_enabled() -> bool:
    """Whether this thread is inside `inference_mode`."""
    return local.mode.inference


def _in_context(context: Callable[[], Any], function: Any) -> Any:
    if isinstance(function, type):
        warnings.warn(
            "Decorating classes is deprecated and will be disabled in future versions. You should "
            "only decorate functions or methods. To preserve the current behavior of class "
            "decoration, you can directly decorate the `__init__` method and nothing else.",
            FutureWarning,
            stacklevel=3,
        )
        function.__init__ = _in_context(context, function.__init__)  # type: ignore[misc]
        return function

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with context():
            return function(*args, **kwargs)

    @functools.wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Any:
        return (yield from _generate(context, function(*args, **kwargs)))

    return generator if inspect.isgeneratorfunction(function) else wrapped


def _generate(context: Callable[[], Any], running: Generator[Any, Any, Any]) -> Any:
    """Run a generator inside the context, and its consumer, between the items, outside."""
    resume: Callable[[], Any] = functools.partial(next, running)
    while True:
        try:
            with context():
                item = resume()
        except StopIteration as end:
            return end.value
        try:
            resume = functools.partial(running.send, (yield item))
        except GeneratorExit:
            with context():
                running.close()
            raise
        except BaseException as e:
            resume = functools.partial(running.throw, e)
