"""Mixed precision: `autocast` lowers matrix products, `GradScaler` prevents underflow."""

from xptorch.amp.autocast_mode import autocast as autocast
from xptorch.amp.autocast_mode import custom_bwd as custom_bwd
from xptorch.amp.autocast_mode import custom_fwd as custom_fwd
from xptorch.amp.autocast_mode import is_autocast_available as is_autocast_available
from xptorch.amp.grad_scaler import GradScaler as GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]
