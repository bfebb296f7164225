"""Kullback-Leibler divergences: KL(p ‖ q) = E_p[log p(x) − log q(x)]."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import xptorch
from xptorch.distributions.bernoulli import Bernoulli
from xptorch.distributions.beta import Beta
from xptorch.distributions.binomial import Binomial
from xptorch.distributions.categorical import Categorical
from xptorch.distributions.cauchy import Cauchy
from xptorch.distributions.dirichlet import Dirichlet
from xptorch.distributions.distribution import Distribution
from xptorch.distributions.exponential import Exponential
from xptorch.distributions.gamma import Gamma
from xptorch.distributions.geometric import Geometric
from xptorch.distributions.gumbel import Gumbel
from xptorch.distributions.half_normal import HalfNormal
from xptorch.distributions.independent import Independent
from xptorch.distributions.laplace import Laplace
from xptorch.distributions.multivariate_normal import MultivariateNormal, batch_mahalanobis
from xptorch.distributions.normal import Normal
from xptorch.distributions.one_hot_categorical import OneHotCategorical
from xptorch.distributions.pareto import Pareto
from xptorch.distributions.poisson import Poisson
from xptorch.distributions.transformed_distribution import TransformedDistribution
from xptorch.distributions.uniform import Uniform
from xptorch.distributions.utils import euler_constant, sum_rightmost

__all__ = ["kl_divergence", "register_kl"]

Formula = Callable[[Any, Any], Any]
_FORMULAS: dict[tuple[type, type], Formula] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Formula], Formula]:
    """Register the decorated function as KL(p ‖ q) of two distribution classes.

    Raises:
        TypeError: one is not a distribution class.
    """
    for kind in (type_p, type_q):
        if not isinstance(kind, type) or not issubclass(kind, Distribution):
            raise TypeError(f"Expected a Distribution subclass but got {kind}")

    def decorator(function: Formula) -> Formula:
        _FORMULAS[type_p, type_q] = function
        return function

    return decorator


def _found(p: type, q: type) -> Formula | None:
    """The formula of the closest base classes, in the order of p's classes, then of q's."""
    for a in p.__mro__:
        for b in q.__mro__:
            if (a, b) in _FORMULAS:
                return _FORMULAS[a, b]
    return None


def kl_divergence(p: Any, q: Any) -> Any:
    """KL(p ‖ q), over the batch shape.

    Raises:
        NotImplementedError: no formula is registered for the two classes.
    """
    formula = _found(type(p), type(q))
    if formula is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type "
            f"{type(q).__name__}"
        )
    return formula(p, q)


@register_kl(Normal, Normal)
def _normal_normal(p: Any, q: Any) -> Any:
    ratio = (p.scale / q.scale).pow(2)
    gap = ((p.loc - q.loc) / q.scale).pow(2)
    return 0.5 * (ratio + gap - 1 - ratio.log())


@register_kl(Bernoulli, Bernoulli)
def _bernoulli_bernoulli(p: Any, q: Any) -> Any:
    soft = xptorch.nn.functional.softplus
    yes = p.probs * (soft(-q.logits) - soft(-p.logits))
    yes = xptorch.where(q.probs == 0, math.inf, yes)
    yes = xptorch.where(p.probs == 0, 0.0, yes)
    no = (1 - p.probs) * (soft(q.logits) - soft(p.logits))
    no = xptorch.where(q.probs == 1, math.inf, no)
    return yes + xptorch.where(p.probs == 1, 0.0, no)


@register_kl(Binomial, Binomial)
def _binomial_binomial(p: Any, q: Any) -> Any:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return xptorch.where(p.total_count > q.total_count, math.inf, kl)


@register_kl(Categorical, Categorical)
def _categorical_categorical(p: Any, q: Any) -> Any:
    t = p.probs * (p.logits - q.logits)
    t = xptorch.where((q.probs == 0).expand(t.shape), math.inf, t)
    return xptorch.where((p.probs == 0).expand(t.shape), 0.0, t).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_one_hot(p: Any, q: Any) -> Any:
    return _categorical_categorical(p._categorical, q._categorical)


@register_kl(Beta, Beta)
def _beta_beta(p: Any, q: Any) -> Any:
    return _dirichlet_dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet_dirichlet(p: Any, q: Any) -> Any:
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    counts = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return counts + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Geometric, Geometric)
def _geometric_geometric(p: Any, q: Any) -> Any:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Gumbel, Gumbel)
def _gumbel_gumbel(p: Any, q: Any) -> Any:
    ratio, shift = p.scale / q.scale, (q.loc - p.loc) / q.scale
    rest = (shift + (1 + ratio).lgamma()).exp() - (1 + euler_constant)
    return -ratio.log() - shift + ratio * euler_constant + rest


@register_kl(HalfNormal, HalfNormal)
def _half_half(p: Any, q: Any) -> Any:
    return _normal_normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace_laplace(p: Any, q: Any) -> Any:
    ratio, gap = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + gap / q.scale + ratio * (-gap / p.scale).exp() - 1


@register_kl(MultivariateNormal, MultivariateNormal)
def _mvn_mvn(p: Any, q: Any) -> Any:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be "
            "computed"
        )
    n = p.event_shape[0]
    half = q._half_log_det() - p._half_log_det()
    batch = xptorch.broadcast_shapes(
        p._unbroadcasted_scale_tril.shape[:-2], q._unbroadcasted_scale_tril.shape[:-2]
    )
    left = q._unbroadcasted_scale_tril.expand((*batch, n, n))
    right = p._unbroadcasted_scale_tril.expand((*batch, n, n))
    spread = xptorch.linalg.solve_triangular(left, right, upper=False).pow(2).sum((-2, -1))
    distance = batch_mahalanobis(q._unbroadcasted_scale_tril, q.loc - p.loc)
    return half + 0.5 * (spread + distance - n)


@register_kl(Poisson, Poisson)
def _poisson_poisson(p: Any, q: Any) -> Any:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Uniform, Uniform)
def _uniform_uniform(p: Any, q: Any) -> Any:
    result = ((q.high - q.low) / (p.high - p.low)).log()
    return xptorch.where((q.low > p.low) | (q.high < p.high), math.inf, result)


@register_kl(Cauchy, Cauchy)
def _cauchy_cauchy(p: Any, q: Any) -> Any:
    gaps = (p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)
    return gaps.log() - (4 * p.scale * q.scale).log()


@register_kl(Independent, Independent)
def _independent_independent(p: Any, q: Any) -> Any:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError
    result = kl_divergence(p.base_dist, q.base_dist)
    return sum_rightmost(result, p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed_transformed(p: Any, q: Any) -> Any:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError
    result = kl_divergence(p.base_dist, q.base_dist)
    return sum_rightmost(result, len(p.event_shape) - len(p.base_dist.event_shape))


@register_kl(Beta, Normal)
@register_kl(Exponential, Normal)
@register_kl(Gamma, Normal)
@register_kl(Gumbel, Normal)
@register_kl(Laplace, Normal)
@register_kl(Pareto, Normal)
@register_kl(Uniform, Normal)
def _any_normal(p: Any, q: Any) -> Any:
    spread = p.variance + (p.mean - q.loc).pow(2)
    return 0.5 * ((2 * math.pi * q.variance).log() + spread / q.variance) - p.entropy()


@register_kl(Beta, Exponential)
@register_kl(Exponential, Exponential)
@register_kl(Gamma, Exponential)
@register_kl(Pareto, Exponential)
@register_kl(Uniform, Exponential)
def _any_exponential(p: Any, q: Any) -> Any:
    return _within(p, 0, math.inf, q.rate * p.mean - q.rate.log() - p.entropy())


@register_kl(Beta, Gamma)
@register_kl(Exponential, Gamma)
@register_kl(Gamma, Gamma)
@register_kl(Pareto, Gamma)
@register_kl(Uniform, Gamma)
def _any_gamma(p: Any, q: Any) -> Any:
    a = q.concentration
    cross = q.rate * p.mean - a * q.rate.log() + a.lgamma() - (a - 1) * _mean_log(p)
    return _within(p, 0, math.inf, cross - p.entropy())


def _mean_log(p: Any) -> Any:
    """E[log x]."""
    if isinstance(p, Beta):
        a = p.concentration1
        return a.digamma() - (a + p.concentration0).digamma()
    if isinstance(p, Pareto):
        return p.scale.log() + 1 / p.alpha
    if isinstance(p, Uniform):
        ends = xptorch.xlogy(p.high, p.high) - xptorch.xlogy(p.low, p.low)
        return ends / (p.high - p.low) - 1
    first = p.concentration.digamma() if isinstance(p, Gamma) else -euler_constant
    return first - p.rate.log()


def _within(p: Any, low: Any, high: Any, result: Any) -> Any:
    """The result, infinite where a uniform `p` has values outside these bounds."""
    if not isinstance(p, Uniform):
        return result
    return xptorch.where((p.low < low) | (p.high > high), math.inf, result)


@register_kl(Uniform, Beta)
def _uniform_beta(p: Any, q: Any) -> Any:
    a, b = q.concentration1, q.concentration0
    mirror = Uniform(1 - p.high, 1 - p.low, validate_args=False)
    cross = a.lgamma() + b.lgamma() - (a + b).lgamma()
    cross = cross - (a - 1) * _mean_log(p) - (b - 1) * _mean_log(mirror)
    return _within(p, 0, 1, cross - p.entropy())


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Any, q: Any) -> Any:
    a = q.alpha
    cross = (a + 1) * _mean_log(p) - a.log() - a * q.scale.log()
    return _within(p, q.scale, math.inf, cross - p.entropy())


@register_kl(Beta, Uniform)
def _beta_uniform(p: Any, q: Any) -> Any:
    result = (q.high - q.low).log() - p.entropy()
    return xptorch.where((q.low > 0) | (q.high < 1), math.inf, result)


@register_kl(Exponential, Gumbel)
@register_kl(Gamma, Gumbel)
@register_kl(Normal, Gumbel)
@register_kl(Uniform, Gumbel)
def _any_gumbel(p: Any, q: Any) -> Any:
    b = q.scale
    if isinstance(p, Uniform):
        shrunk = ((-p.low / b).exp() - (-p.high / b).exp()) * b / (p.high - p.low)
    elif isinstance(p, Normal):
        shrunk = (p.variance / (2 * b * b) - p.loc / b).exp()
    else:
        shrunk = (1 + 1 / (b * p.rate)).pow(-getattr(p, "concentration", 1))
    return b.log() + (p.mean - q.loc) / b + (q.loc / b).exp() * shrunk - p.entropy()


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Any:
    z = (p.loc - q.loc) / (math.sqrt(2) * p.scale)
    gap = p.scale * math.sqrt(2) * ((-z * z).exp() / math.sqrt(math.pi) + z * z.erf())
    return (2 * q.scale).log() + gap / q.scale - p.entropy()


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Any:
    return q.rate - p.probs * q.rate.log() - p.entropy()


def _infinite(p: Any, q: Any) -> Any:
    return xptorch.full_like(p.mean, math.inf)


_OUTSIDE: list[tuple[Any, Any]] = [
    ((Gumbel, Laplace, Normal), (Beta, Exponential, Gamma, Pareto, Uniform)),
    ((Exponential, Gamma), (Beta, Pareto, Uniform)),
    ((Pareto,), (Beta, Uniform)),
    ((Beta,), (Pareto,)),
    ((Poisson,), (Bernoulli, Binomial)),
]
for _ps, _qs in _OUTSIDE:
    for _pair in itertools.product(_ps, _qs):
        register_kl(*_pair)(_infinite)
