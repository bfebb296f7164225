"""The sampler of data-parallel training: each process samples its own part of the dataset."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from typing import Any

from xptorch.ops.random.sampling import randperm
from xptorch.random import Generator
from xptorch.utils.data.dataset import Dataset
from xptorch.utils.data.sampler import Sampler


def _process_group() -> Any:
    """The module that provides this process's rank."""
    try:
        distributed = importlib.import_module("xptorch.distributed")
    except ModuleNotFoundError:
        distributed = None
    if distributed is None or not distributed.is_available():
        raise RuntimeError(
            "Requires distributed package to be available: xptorch has none here, "
            "so give num_replicas and rank"
        )
    return distributed


class DistributedSampler(Sampler[Any]):
    """Every `num_replicas`-th index from `rank` on, of an order that is the same in all processes.

    Call `set_epoch` before each epoch, or every epoch has the same order.

    Args:
        dataset: the dataset that is divided among the processes.
        num_replicas: the number of processes; from the process group if None.
        rank: the rank of this process; from the process group if None.
        shuffle: permute the indices, depending on `seed` and the epoch.
        seed: the seed, which must be the same in all processes.
        drop_last: drop samples so that all parts have the same size, rather than repeat some.

    Raises:
        RuntimeError: `num_replicas` or `rank` is missing and there is no process group.
        ValueError: `rank` is not between 0 and ``num_replicas - 1``.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None:
            num_replicas = int(_process_group().get_world_size())
        if rank is None:
            rank = int(_process_group().get_rank())
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        size = len(dataset)  # type: ignore[arg-type]
        self.num_samples = size // num_replicas if drop_last else -(-size // num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[Any]:
        size = len(self.dataset)  # type: ignore[arg-type]
        if self.shuffle:
            generator = Generator().manual_seed(self.seed + self.epoch)
            order = randperm(size, generator=generator, device="cpu").tolist()
        else:
            order = list(range(size))
        padded = itertools.islice(itertools.cycle(order), self.total_size)
        return itertools.islice(padded, self.rank, None, self.num_replicas)

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, on which the order of the next iteration depends."""
        self.epoch = epoch
