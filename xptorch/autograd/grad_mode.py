"""Whether operations are recorded: `no_grad`, `enable_grad`, `set_grad_enabled`, …"""

from xptorch._engine.grad_mode import enable_grad as enable_grad
from xptorch._engine.grad_mode import inference_mode as inference_mode
from xptorch._engine.grad_mode import no_grad as no_grad
from xptorch._engine.grad_mode import set_grad_enabled as set_grad_enabled
