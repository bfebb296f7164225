"""Stubs: programs run in one process, and `is_available` is False."""

from __future__ import annotations

from typing import Any, NoReturn

_NO_GROUP = (
    "Default process group has not been initialized, please make sure to call init_process_group."
)


def is_available() -> bool:
    """False: programs run in one process."""
    return False


def is_initialized() -> bool:
    """False: there is no process group."""
    return False


def is_nccl_available() -> bool:
    """False."""
    return False


is_gloo_available = is_mpi_available = is_ucc_available = is_xccl_available = is_nccl_available
is_torchelastic_launched = is_nccl_available


def is_backend_available(backend: str) -> bool:
    """False."""
    return False


def init_process_group(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises NotImplementedError: programs run in one process."""
    raise NotImplementedError(
        "distributed.init_process_group: xptorch trains in one process; run the program without it "
        "(torch.distributed.is_available() is False)"
    )


def _needs_a_group(*args: Any, **kwargs: Any) -> Any:
    """Raises ValueError: there is no process group."""
    raise ValueError(_NO_GROUP)


get_rank = get_world_size = get_backend = barrier = new_group = _needs_a_group
all_reduce = all_gather = all_gather_object = all_to_all = broadcast = _needs_a_group
broadcast_object_list = gather = gather_object = reduce = reduce_scatter = _needs_a_group
scatter = scatter_object_list = send = recv = isend = irecv = _needs_a_group
all_gather_into_tensor = reduce_scatter_tensor = monitored_barrier = _needs_a_group


def destroy_process_group(group: Any = None) -> NoReturn:
    """Raises AssertionError: there is no process group."""
    raise AssertionError("Process group cannot be None")


class ReduceOp:
    """The names of the reductions over processes, none of which can run."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR, PREMUL_SUM = range(9)


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"xptorch has no torch.distributed.{name}: programs run in one process "
        "(torch.distributed.is_available() is False)"
    )
