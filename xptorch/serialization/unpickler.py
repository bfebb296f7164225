"""A restricted unpickler, which creates only objects that are explicitly allowed.

It supports the opcodes that data needs, and resolves global names by `find`. Only the objects in
`callables` can be called, so a file cannot call an object that it obtained in another way.
"""

from __future__ import annotations

import pickle
import pickletools
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import IO, Any

_CONSTANTS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
}
_MARK = object()
_DAMAGE = (
    *(ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError),
)


class UnpicklingError(pickle.UnpicklingError):
    """The pickle needs something that is not allowed."""


class RestrictedUnpickler:
    """Runs one pickle.

    Args:
        find: ``find(module, name)`` resolves a global, or raises `UnpicklingError`.
        load_persistent: returns the object with a persistent id.
    """

    def __init__(
        self, find: Callable[[str, str], AllowedGlobal], load_persistent: Callable[[Any], Any]
    ) -> None:
        self.find = find
        self.load_persistent = load_persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.callables: list[Any] = []
        self.buildable: tuple[type, ...] = (OrderedDict, Counter)

    def run(self, file: IO[bytes] | bytes) -> Any:
        """The object that the pickle at the file's position describes.

        Raises:
            pickle.UnpicklingError: it is damaged, or needs something that is not allowed.
        """
        try:
            for op, arg, _ in pickletools.genops(file):
                if op.name in _CONSTANTS:
                    self.stack.append(arg)
                elif op.name == "STOP":
                    return self.stack.pop()
                else:
                    method = getattr(self, f"_op_{op.name.lower()}", None)
                    if method is None:
                        raise UnpicklingError(f"the pickle uses the opcode {op.name}")
                    method(arg)
        except _DAMAGE as e:
            raise pickle.UnpicklingError(f"the pickle is damaged: {e!r}") from e
        raise pickle.UnpicklingError("the pickle has no end")

    def _to_mark(self) -> list[Any]:
        """Pop the items above the last mark from the stack, and the mark itself."""
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                items = self.stack[i + 1 :]
                del self.stack[i:]
                return items
        raise ValueError("no mark on the stack")

    # ---- opcodes: stack and memo

    def _op_proto(self, arg: int) -> None:
        if arg > pickle.HIGHEST_PROTOCOL:
            raise ValueError(f"unknown protocol {arg}")

    def _op_frame(self, arg: int) -> None: ...

    def _op_mark(self, arg: None) -> None:
        self.stack.append(_MARK)

    def _op_pop(self, arg: None) -> None:
        self.stack.pop()

    def _op_pop_mark(self, arg: None) -> None:
        self._to_mark()

    def _op_binput(self, arg: int) -> None:
        self.memo[arg] = self.stack[-1]

    def _op_memoize(self, arg: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _op_binget(self, arg: int) -> None:
        self.stack.append(self.memo[arg])

    _op_put = _op_long_binput = _op_binput
    _op_get = _op_long_binget = _op_binget

    # ---- opcodes: plain values

    def _op_none(self, arg: None) -> None:
        self.stack.append(None)

    def _op_newtrue(self, arg: None) -> None:
        self.stack.append(True)

    def _op_newfalse(self, arg: None) -> None:
        self.stack.append(False)

    def _op_bytearray8(self, arg: bytes) -> None:
        self.stack.append(bytearray(arg))

    def _op_empty_tuple(self, arg: None) -> None:
        self.stack.append(())

    def _op_tuple(self, arg: None) -> None:
        self.stack.append(tuple(self._to_mark()))

    def _op_tuple1(self, arg: None) -> None:
        self.stack[-1:] = [tuple(self.stack[-1:])]

    def _op_tuple2(self, arg: None) -> None:
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def _op_tuple3(self, arg: None) -> None:
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def _op_empty_list(self, arg: None) -> None:
        self.stack.append([])

    def _op_list(self, arg: None) -> None:
        self.stack.append(self._to_mark())

    def _op_append(self, arg: None) -> None:
        item = self.stack.pop()
        self._extend([item])

    def _op_appends(self, arg: None) -> None:
        self._extend(self._to_mark())

    def _extend(self, items: Iterable[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not list and not self._is_buildable(target):
            raise UnpicklingError(f"the pickle appends to a {type(target).__name__}")
        target.extend(items)

    def _op_empty_dict(self, arg: None) -> None:
        self.stack.append({})

    def _op_dict(self, arg: None) -> None:
        items = self._to_mark()
        self.stack.append(dict(zip(items[::2], items[1::2], strict=True)))

    def _op_setitem(self, arg: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _op_setitems(self, arg: None) -> None:
        self._set_items(self._to_mark())

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or (
            type(target) is not dict and not self._is_buildable(target)
        ):
            raise UnpicklingError(f"the pickle sets items of a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key] = value

    def _op_empty_set(self, arg: None) -> None:
        self.stack.append(set())

    def _op_additems(self, arg: None) -> None:
        items = self._to_mark()
        if type(self.stack[-1]) is not set:
            raise UnpicklingError(f"the pickle adds to a {type(self.stack[-1]).__name__}")
        self.stack[-1].update(items)

    # ---- opcodes: names, calls, objects

    def _op_global(self, arg: str) -> None:
        module, name = arg.split(" ", 1)
        self._push_global(module, name)

    def _op_stack_global(self, arg: None) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise TypeError("a global's name is no text")
        self._push_global(module, name)

    def _push_global(self, module: str, name: str) -> None:
        known = self.find(module, name)
        self.stack.append(known.value)
        if known.callable:
            self.callables.append(known.value)
        if known.buildable:
            self.buildable += (known.value,)

    def _op_binpersid(self, arg: None) -> None:
        self.stack[-1] = self.load_persistent(self.stack[-1])

    def _op_reduce(self, arg: None) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        self._check_callable(function)
        self.stack.append(function(*args))

    def _op_newobj(self, arg: None) -> None:
        args, cls = self.stack.pop(), self.stack.pop()
        self._check_callable(cls)
        if not isinstance(cls, type):
            raise UnpicklingError(f"the pickle makes an object of {cls!r}")
        self.stack.append(cls.__new__(cls, *args))

    def _check_callable(self, function: Any) -> None:
        if not any(function is c for c in self.callables):
            raise UnpicklingError(f"the pickle calls {function!r}")

    def _is_buildable(self, target: Any) -> bool:
        return type(target) in self.buildable

    def _op_build(self, arg: None) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not self._is_buildable(target):
            raise UnpicklingError(f"the pickle sets the state of a {type(target).__name__}")
        if hasattr(type(target), "__setstate__"):
            target.__setstate__(state)
            return
        slots: Any = None
        if isinstance(state, tuple) and len(state) == 2:
            state, slots = state
        for name, value in {**(state or {}), **(slots or {})}.items():
            if isinstance(target, dict) and hasattr(type(target), name):
                raise UnpicklingError(f"the pickle replaces {type(target).__name__}.{name}")
            setattr(target, name, value)


class AllowedGlobal:
    """The object that a global name refers to, and what the pickle may do with it.

    Args:
        value: the object.
        callable: it may be called (a class: instances may be created).
        buildable: a class whose instances' state may be set.
    """

    def __init__(self, value: Any, callable: bool = False, buildable: bool = False) -> None:
        self.value = value
        self.callable = callable
        self.buildable = buildable
