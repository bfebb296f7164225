"""Signal processing: `torch.signal`."""

from xptorch.signal import windows as windows

__all__ = ["windows"]
