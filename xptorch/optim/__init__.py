"""Optimizers."""

from xptorch.optim import optimizer
from xptorch.optim.adam import Adam
from xptorch.optim.adamw import AdamW
from xptorch.optim.optimizer import Optimizer
from xptorch.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "optimizer"]
