"""`GradScaler`: losses are scaled up, so that half-precision gradients do not underflow."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from xptorch import cuda
from xptorch._engine.grad_mode import no_grad
from xptorch.ops._common import is_tensor

__all__ = ["GradScaler"]


class GradScaler:
    """Scales losses, unscales gradients, and skips steps with non-finite gradients.

    Args:
        device: "cuda" or "cpu"; on "cuda" without a GPU the scaler is disabled, with a warning.
        init_scale: the first scale.
        growth_factor: the scale is multiplied by it after each `growth_interval`.
        backoff_factor: the scale is multiplied by it when a gradient is not finite.
        growth_interval: the number of steps in a row with finite gradients before the scale grows.
        enabled: False turns scaling off: losses and steps are left unchanged.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device, self._enabled = device, enabled
        if enabled and device == "cuda" and not cuda.is_available():
            warnings.warn(
                "torch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling.",
                stacklevel=2,
            )
            self._enabled = False
        if not self._enabled:
            return
        assert growth_factor > 1.0, "The growth factor must be > 1.0."
        assert backoff_factor < 1.0, "The backoff factor must be < 1.0."
        self._init_scale, self._scale = init_scale, None
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval, self._growth_tracker = growth_interval, 0
        self._infinite: dict[int, bool] = {}  # by optimizer: was a gradient not finite?
        self._stepped: set[int] = set()

    _scale: float | None

    def scale(self, outputs: Any) -> Any:
        """The outputs (a tensor, or an iterable of them) times the scale."""
        if not self._enabled:
            return outputs
        if self._scale is None:
            self._scale = self._init_scale
        if is_tensor(outputs):
            return outputs * self._scale
        if isinstance(outputs, Iterable):
            scaled = [self.scale(x) for x in outputs]
            return type(outputs)(scaled) if isinstance(outputs, list | tuple) else scaled
        raise ValueError("outputs must be a Tensor or an iterable of Tensors")

    def _need_scale(self, function: str) -> float:
        assert self._scale is not None, (
            f"Attempted {function} but _scale is None.  This may indicate your script did not use "
            "scaler.scale(loss or outputs) earlier in the iteration."
        )
        return self._scale

    def unscale_(self, optimizer: Any) -> None:
        """Divide the optimizer's gradients by the scale; `step` does it if you do not.

        Raises:
            RuntimeError: they are already unscaled, or the optimizer has stepped.
        """
        if not self._enabled:
            return
        scale, key = self._need_scale("unscale_"), id(optimizer)
        if key in self._stepped:
            raise RuntimeError("unscale_() is being called after step().")
        if key in self._infinite:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        self._unscale(optimizer, scale)

    def _unscale(self, optimizer: Any, scale: float) -> None:
        infinite = False
        with no_grad():
            for p in (p for group in optimizer.param_groups for p in group["params"]):
                if p.grad is not None:
                    p.grad.mul_(1.0 / scale)
                    infinite = infinite or not bool(p.grad.isfinite().all())
        self._infinite[id(optimizer)] = infinite

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step()`` with gradients of the right scale, unless one is not finite."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        scale, key = self._need_scale("step"), id(optimizer)
        if key in self._stepped:
            raise RuntimeError("step() has already been called since the last update().")
        if key not in self._infinite:
            self._unscale(optimizer, scale)
        self._stepped.add(key)
        return None if self._infinite[key] else optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        """Grow or reduce the scale, depending on the gradients; or set it."""
        if not self._enabled:
            return
        scale = self._need_scale("update")
        if new_scale is not None:
            self._scale = float(new_scale)
        else:
            assert self._infinite, "No inf checks were recorded prior to update."
            if any(self._infinite.values()):
                self._scale, self._growth_tracker = scale * self._backoff_factor, 0
            else:
                self._growth_tracker += 1
                if self._growth_tracker == self._growth_interval:
                    self._scale, self._growth_tracker = scale * self._growth_factor, 0
        self._infinite, self._stepped = {}, set()

    def get_scale(self) -> float:
        """The scale; 1 when disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale

    def get_growth_factor(self) -> float:
        """The factor by which the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set the factor by which the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """The factor by which the scale shrinks."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set the factor by which the scale shrinks."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """The number of steps with finite gradients before the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set the number of steps with finite gradients before the scale grows."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether scaling is enabled."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale and its settings; empty when disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned.

        Raises:
            RuntimeError: it is empty: from a disabled scaler.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        if self._scale is not None:
            self._scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]
