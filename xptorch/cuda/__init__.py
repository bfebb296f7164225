"""CUDA devices, through the CuPy backend.

Without a GPU, nothing here fails until a device is actually requested; then the error names what
is missing.
"""

from __future__ import annotations

import importlib
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from xptorch import random
from xptorch._core import device as devices
from xptorch._core import registry
from xptorch._tensor import typed_tensors

if TYPE_CHECKING:
    from xptorch._tensor.tensor import Tensor

_TYPES = typed_tensors.tensor_types("cuda", "xptorch.cuda")
FloatTensor, DoubleTensor, HalfTensor = (_TYPES[f"{n}Tensor"] for n in ("Float", "Double", "Half"))
LongTensor, IntTensor, ShortTensor = (_TYPES[f"{n}Tensor"] for n in ("Long", "Int", "Short"))
CharTensor, ByteTensor, BoolTensor = (_TYPES[f"{n}Tensor"] for n in ("Char", "Byte", "Bool"))


def is_available() -> bool:
    """Whether CuPy is installed and finds a GPU; never raises."""
    try:
        return registry.works("cupy")
    except Exception:  # a broken installation counts as not available
        return False


def device_count() -> int:
    """How many GPUs there are."""
    return registry.load("cupy").device_count() if is_available() else 0


def is_initialized() -> bool:
    """Whether the CuPy backend has been loaded."""
    return "cupy" in registry._loaded


def init() -> None:
    """Load the CuPy backend, which otherwise happens at first use.

    Raises:
        BackendError: CuPy is not installed, or finds no GPU.
    """
    registry.load("cupy")


def _index(device: Any) -> int:
    """The index of a device given as such, as its name or index, or as None for the current one."""
    if isinstance(device, int) and not isinstance(device, bool):
        device = devices.device("cuda", device)
    on = devices.resolve("cuda" if device is None else device)
    if on.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {on}")
    return on.index or 0


# ---- devices


def current_device() -> int:
    """The index of the device that "cuda" refers to."""
    return registry.load("cupy").current_index() or 0


def set_device(device: Any) -> None:
    """Make "cuda" refer to this device; a negative index changes nothing."""
    if isinstance(device, int) and device < 0:
        return
    registry.load("cupy").activate(_index(device)).__enter__()


class device:
    """A block in which "cuda" refers to this device.

    Args:
        device: a device, its name or index; a negative index or None changes nothing.
    """

    def __init__(self, device: Any) -> None:
        nothing = device is None or (isinstance(device, int) and device < 0)
        self.idx = -1 if nothing else _index(device)
        self.context: AbstractContextManager[Any] = nullcontext()

    def __enter__(self) -> None:
        if self.idx >= 0:
            self.context = registry.load("cupy").activate(self.idx)
        self.context.__enter__()

    def __exit__(self, *exc: Any) -> None:
        self.context.__exit__(*exc)


class device_of(device):
    """A block in which "cuda" refers to the GPU of a tensor, if it is on one."""

    def __init__(self, obj: Tensor) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else None)


class _Properties:
    """The properties of a GPU: name, major, minor, total_memory, multi_processor_count."""

    def __init__(self, known: dict[str, Any]) -> None:
        self.__dict__.update(known)

    def __repr__(self) -> str:
        return f"_CudaDeviceProperties({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


def get_device_properties(device: Any = None) -> Any:
    """A device's name, major and minor version, total_memory and multi_processor_count."""
    index = _index(device)
    return _Properties(registry.load("cupy").properties(index))


def get_device_name(device: Any = None) -> str:
    """A device's name."""
    return str(get_device_properties(device).name)


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """A device's compute capability, major and minor."""
    known = get_device_properties(device)
    return known.major, known.minor


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: bfloat16 is for the CPU only."""
    return False


def synchronize(device: Any = None) -> None:
    """Wait until all work queued on the device is done."""
    registry.load("cupy").synchronize(_index(device))


# ---- memory


def _memory(device: Any, reset_peak: bool = False) -> dict[str, int]:
    if not is_available():
        return {}
    return registry.load("cupy").memory_stats(_index(device), reset_peak)


def memory_allocated(device: Any = None) -> int:
    """Bytes of arrays on the device; 0 without a GPU."""
    return _memory(device).get("allocated", 0)


def max_memory_allocated(device: Any = None) -> int:
    """The maximum of `memory_allocated` since `reset_peak_memory_stats`.

    Counting starts with the first call of any of the memory functions, in the calling thread.
    """
    return _memory(device).get("peak", 0)


def memory_reserved(device: Any = None) -> int:
    """Bytes held by the memory pool, used or not; 0 without a GPU."""
    return _memory(device).get("reserved", 0)


def max_memory_reserved(device: Any = None) -> int:
    """The same as `memory_reserved`: the pool grows until `empty_cache`."""
    return memory_reserved(device)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Restart the count of `max_memory_allocated`."""
    _memory(device, reset_peak=True)


reset_max_memory_allocated = reset_peak_memory_stats


def empty_cache() -> None:
    """Free the memory pool's unused memory."""
    if is_available():
        registry.load("cupy").empty_cache()


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and total bytes on the device."""
    index = _index(device)
    stats = registry.load("cupy").memory_stats(index)
    return stats["free"], stats["total"]


# ---- random numbers: drawn from one stream for all devices, which `xptorch.manual_seed` seeds


def manual_seed(seed: int) -> None:
    """Changes nothing: numbers on every device come from the stream of `xptorch.manual_seed`.

    Seeding that stream here would change the initial weights, which PyTorch draws on the CPU.
    """
    int(seed)


manual_seed_all = manual_seed


def get_rng_state(device: Any = "cuda") -> Tensor:
    """The state of the one stream of random numbers."""
    return random.get_rng_state()


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Set the state of the one stream of random numbers."""
    random.set_rng_state(new_state)


def get_rng_state_all() -> list[Tensor]:
    """The state of the one stream of random numbers, once for each GPU."""
    return [random.get_rng_state() for _ in range(device_count())]


def set_rng_state_all(new_states: Any) -> None:
    """Set the state of the one stream of random numbers to the first of the states."""
    for state in list(new_states)[:1]:
        random.set_rng_state(state)


# ---- streams and events


class Event:
    """A point in time on the device, to measure with.

    `record` waits for the device: what is queued is done when it returns.
    """

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        if interprocess:
            raise NotImplementedError("cuda.Event(interprocess=True) is not supported")
        init()
        self.time: float | None = None

    def record(self, stream: Any = None) -> None:
        """Store the time, after all work queued on the device is done."""
        synchronize()
        self.time = time.perf_counter()

    def synchronize(self) -> None:
        """No-op: `record` has already waited."""

    wait = synchronize

    def query(self) -> bool:
        """True: the work before `record` is done."""
        return True

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds between this event and a later one.

        Raises:
            ValueError: one of them has not been recorded.
        """
        if self.time is None or end_event.time is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        return (end_event.time - self.time) * 1e3


class Stream:
    """Not available: all work goes to the current stream of the device.

    Raises:
        NotImplementedError: always.
    """

    def __init__(self, device: Any = None, priority: int = 0, **kwargs: Any) -> None:
        raise NotImplementedError("cuda.Stream: side streams are not supported")


class _OnlyStream(Stream):
    """The one stream of a device."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.device = devices.resolve(f"cuda:{index}")

    def synchronize(self) -> None:
        """Wait until its work is done."""
        synchronize(self.index)

    def wait_stream(self, stream: Any) -> None:
        """No-op: there is no other stream to wait for."""

    def wait_event(self, event: Event) -> None:
        """No-op: recorded events are already complete."""

    def record_event(self, event: Event | None = None) -> Event:
        """Record an event, a new one by default."""
        event = Event() if event is None else event
        event.record()
        return event

    def query(self) -> bool:
        """Whether its work is done: it is, after waiting for it."""
        self.synchronize()
        return True


def current_stream(device: Any = None) -> Any:
    """The stream of the device."""
    return _OnlyStream(_index(device))


default_stream = current_stream


def stream(stream: Any) -> AbstractContextManager[Any]:
    """A block that uses the given stream: there is only one."""
    return nullcontext()


class StreamContext(nullcontext[None]):
    """A block that uses a stream: there is only one."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self.stream = stream


def set_stream(stream: Any) -> None:
    """No-op: there is only one stream to use."""


# ---- queries of PyTorch's build and of the driver


def get_arch_list() -> list[str]:
    """Empty: CuPy compiles for the GPU that it finds."""
    return []


def is_tf32_supported() -> bool:
    """False: products are computed in full precision."""
    return False


def is_current_stream_capturing() -> bool:
    """False: CUDA graphs are not supported."""
    return False


def ipc_collect() -> None:
    """Free memory shared with other processes: none is shared."""
    if not is_available():
        init()


def seed() -> None:
    """Changes nothing: numbers on every device come from the stream of `xptorch.manual_seed`."""


seed_all = seed


def initial_seed() -> int:
    """The seed of the one stream of random numbers."""
    return random.initial_seed()


def memory_stats(device: Any = None) -> dict[str, int]:
    """Byte counts under PyTorch's names; empty without a GPU."""
    known = _memory(device)
    names = {"allocated": "allocated_bytes.all.current", "peak": "allocated_bytes.all.peak"}
    names["reserved"] = "reserved_bytes.all.current"
    return {name: known[key] for key, name in names.items() if key in known}


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The values of `memory_stats`, one per line."""
    return "".join(f"{name:32} {value:>16,}\n" for name, value in memory_stats(device).items())


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """No-op: no accumulated statistics are kept."""


def max_memory_cached(device: Any = None) -> int:
    """The deprecated name of `max_memory_reserved`."""
    warnings.warn(
        "`torch.cuda.max_memory_cached` has been renamed to `torch.cuda.max_memory_reserved`",
        FutureWarning,
        stacklevel=2,
    )
    return max_memory_reserved(device)


def memory_cached(device: Any = None) -> int:
    """The deprecated name of `memory_reserved`."""
    warnings.warn(
        "`torch.cuda.memory_cached` has been renamed to `torch.cuda.memory_reserved`",
        FutureWarning,
        stacklevel=2,
    )
    return memory_reserved(device)


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """False: devices exchange arrays through the host."""
    _index(device), _index(peer_device)
    return False


_LAZY = ("amp",)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"xptorch.cuda.{name}")
    raise AttributeError(f"xptorch has no torch.cuda.{name}")
