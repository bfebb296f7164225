"""A restricted unpickler, which creates only objects that are explicitly allowed.

It supports the opcodes that data needs, and resolves global names by `find`. Only the objects in
`callables` can be called, so a file cannot call an object that it obtained in another way.

A pickle of a few hundred bytes can describe an object whose text, hash or iteration takes for ever
(tuples of the same tuple, twenty levels deep; a tensor of 2⁴⁰ elements over one). So nothing here
prints, hashes or iterates an object of the file before its type and extent are checked.
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


_DEPTH, _EXTENT = 32, 10_000  # of a key that is a tuple: levels, and elements in all of them
_COLLISIONS = 1_000  # keys of one dict that may have the same hash: their cost is quadratic
_CONTAINERS = (OrderedDict, Counter, set)


class UnpicklingError(pickle.UnpicklingError):
    """The pickle needs something that is not allowed."""


def shortened(text: Any) -> str:
    """A text of the file, for a message."""
    if not isinstance(text, str):
        return f"a {type(text).__name__}"
    return text if len(text) <= 100 else f"{text[:100]}…"


def described(error: Exception) -> str:
    """An error, for a message: its text only where that is no object of the file."""
    texts = [shortened(arg) for arg in error.args if isinstance(arg, str)]
    return f"{type(error).__name__}({', '.join(texts)})"


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
        self.callables: dict[int, Any] = {}  # by `id`
        self.buildable: set[type] = {OrderedDict, Counter}
        self.hashes: Counter[tuple[int, int]] = Counter()  # of each dict's or set's keys, by `id`

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
            raise pickle.UnpicklingError(f"the pickle is damaged: {described(e)}") from None
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
        self.stack.append({})
        self._set_items(items)

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
            self._check_key(target, key)
            target[key] = value

    def _op_empty_set(self, arg: None) -> None:
        self.stack.append(set())

    def _op_additems(self, arg: None) -> None:
        self._add_items(self._to_mark())

    def _add_items(self, items: Iterable[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not set:
            raise UnpicklingError(f"the pickle adds to a {type(target).__name__}")
        for item in items:
            self._check_key(target, item)
            target.add(item)

    def _check_key(self, target: Any, key: Any) -> None:
        """Raise if hashing a key, or finding it among the others of `target`, takes too long."""
        if type(key) is str or type(key) is bytes:  # whose hash no file can foresee
            return
        check_key(key)
        group = (id(target), hash(key))
        self.hashes[group] += 1
        if self.hashes[group] > _COLLISIONS:
            raise UnpicklingError("the pickle has too many keys of one hash")

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
            self.callables[id(known.value)] = known.value
        if known.buildable:
            self.buildable.add(known.value)

    def _op_binpersid(self, arg: None) -> None:
        self.stack[-1] = self.load_persistent(self.stack[-1])

    def _op_reduce(self, arg: None) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        self._check_callable(function, args)
        if function in _CONTAINERS:
            self.stack.append(function())
            for items in args:
                self._fill(items)
        else:
            self.stack.append(function(*args))

    def _fill(self, items: Any) -> None:
        """Put a constructor's argument into the container on the stack."""
        if type(items) is dict:
            self._set_items([x for pair in items.items() for x in pair])
        elif type(items) not in (list, tuple):
            raise TypeError(f"a container made of a {type(items).__name__}")
        elif type(self.stack[-1]) is set:
            self._add_items(items)
        elif all(type(pair) in (list, tuple) and len(pair) == 2 for pair in items):
            self._set_items([x for pair in items for x in pair])
        else:
            raise TypeError("a dict made of other than pairs")

    def _op_newobj(self, arg: None) -> None:
        args, cls = self.stack.pop(), self.stack.pop()
        self._check_callable(cls, args)
        if not isinstance(cls, type):
            raise UnpicklingError(f"the pickle makes an object of a {type(cls).__name__}")
        self.stack.append(cls.__new__(cls, *args))

    def _check_callable(self, function: Any, args: Any) -> None:
        if id(function) not in self.callables:
            name = function.__qualname__ if isinstance(function, type) else type(function).__name__
            raise UnpicklingError(f"the pickle calls {shortened(name)}")
        if type(args) is not tuple:
            raise UnpicklingError(f"the pickle calls with a {type(args).__name__} of arguments")

    def _is_buildable(self, target: Any) -> bool:
        return type(target) in self.buildable

    def _op_build(self, arg: None) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not self._is_buildable(target):
            raise UnpicklingError(f"the pickle sets the state of a {type(target).__name__}")
        for part in state if type(state) is tuple else (state,):
            for name in part if isinstance(part, dict) else ():
                if isinstance(name, str) and name.startswith("__"):
                    # Such as __array_interface__, by which NumPy reads memory, or __class__.
                    raise UnpicklingError(f"the pickle sets {shortened(name)}")
        if hasattr(type(target), "__setstate__"):
            target.__setstate__(state)
            return
        for name, value in attributes_of(state).items():
            if isinstance(target, dict) and hasattr(type(target), name):
                name = shortened(name)
                raise UnpicklingError(f"the pickle replaces {type(target).__name__}.{name}")
            setattr(target, name, value)


def attributes_of(state: Any) -> dict[Any, Any]:
    """The attributes of a state: a dict, or a pair of one and of another for the slots.

    Raises:
        TypeError: it is neither.
    """
    pair = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    found: dict[Any, Any] = {}
    for part in pair:
        if part is not None:
            if not isinstance(part, dict):
                raise TypeError(f"a state of a {type(part).__name__}")
            found.update(part)
    return found


def check_key(key: Any) -> None:
    """Raise if the hash of a key that is a tuple takes too long: C code recurses for it.

    Raises:
        UnpicklingError: it is nested too deeply, or has too many elements, counted with repeats.
    """
    stack, seen = [(key, 0)], 0
    while stack:
        item, depth = stack.pop()
        if isinstance(item, tuple):
            seen += len(item)
            if depth > _DEPTH or seen > _EXTENT:
                raise UnpicklingError("the pickle has a key of too many nested tuples")
            stack += [(x, depth + 1) for x in item]


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
