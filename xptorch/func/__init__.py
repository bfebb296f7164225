"""Function transforms: derivatives, maps over a batch, modules as functions.

They compose: ``vmap(grad(loss))`` gives a gradient for each sample, ``jacfwd(jacrev(f))`` Hessians.
Derivatives are computed in reverse mode; those in forward mode by differentiating twice.
"""

from xptorch.func._transforms import grad as grad
from xptorch.func._transforms import grad_and_value as grad_and_value
from xptorch.func._transforms import hessian as hessian
from xptorch.func._transforms import jacfwd as jacfwd
from xptorch.func._transforms import jacrev as jacrev
from xptorch.func._transforms import jvp as jvp
from xptorch.func._transforms import linearize as linearize
from xptorch.func._transforms import vjp as vjp
from xptorch.func._vmap import vmap as vmap
from xptorch.nn.utils.stateless import functional_call as functional_call
from xptorch.nn.utils.stateless import stack_module_state as stack_module_state
