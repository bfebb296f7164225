"""Optimizers and learning rate schedulers."""

from xptorch.optim import lr_scheduler, optimizer, swa_utils
from xptorch.optim.adadelta import Adadelta
from xptorch.optim.adafactor import Adafactor
from xptorch.optim.adagrad import Adagrad
from xptorch.optim.adam import Adam
from xptorch.optim.adamax import Adamax
from xptorch.optim.adamw import AdamW
from xptorch.optim.asgd import ASGD
from xptorch.optim.lbfgs import LBFGS
from xptorch.optim.muon import Muon
from xptorch.optim.nadam import NAdam
from xptorch.optim.optimizer import Optimizer
from xptorch.optim.radam import RAdam
from xptorch.optim.rmsprop import RMSprop
from xptorch.optim.rprop import Rprop
from xptorch.optim.sgd import SGD
from xptorch.optim.sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "optimizer",
    "swa_utils",
]
