"""Files: `save` and `load` of PyTorch's checkpoints, without PyTorch."""

from xptorch.serialization.archive import CheckpointError as CheckpointError
from xptorch.serialization.checkpoint import FileLike as FileLike
from xptorch.serialization.checkpoint import MapLocation as MapLocation
from xptorch.serialization.checkpoint import add_safe_globals as add_safe_globals
from xptorch.serialization.checkpoint import clear_safe_globals as clear_safe_globals
from xptorch.serialization.checkpoint import get_safe_globals as get_safe_globals
from xptorch.serialization.checkpoint import load as load
from xptorch.serialization.checkpoint import safe_globals as safe_globals
from xptorch.serialization.checkpoint import save as save
