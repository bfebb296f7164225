"""Special functions under PyTorch's names in `torch.special`."""

from xptorch.ops.bessel import i0, i0e, i1, i1e
from xptorch.ops.elementwise import erf, erfc, exp2, expm1, log1p, round
from xptorch.ops.elementwise import sigmoid as expit
from xptorch.ops.gamma import digamma, polygamma
from xptorch.ops.gamma import lgamma as gammaln
from xptorch.ops.gamma import mvlgamma as multigammaln
from xptorch.ops.normal import erfcx, erfinv, log_ndtr, ndtr, ndtri
from xptorch.ops.softmax import log_softmax, logsumexp, softmax
from xptorch.ops.special import entr, logit, sinc, xlog1py, xlogy

psi = digamma

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammaln", "i0",
    "i0e", "i1", "i1e", "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "multigammaln",
    "ndtr", "ndtri", "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
]  # fmt: skip
