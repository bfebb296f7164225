"""Every distribution against PyTorch's: samples from the same seed, densities, moments, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import xptorch

torch: Any = pytest.importorskip("torch")

Make = Callable[[Any, Any], Any]
V = [0.4, 1.3, 2.2]

CASES: dict[str, Make] = {
    "Normal": lambda t, d: d.Normal(t.tensor(V), t.tensor([0.5, 1.0, 2.0])),
    "Normal of numbers": lambda t, d: d.Normal(0.5, 2.0),
    "Laplace": lambda t, d: d.Laplace(t.tensor(V), t.tensor(0.7)),
    "Cauchy": lambda t, d: d.Cauchy(t.tensor(V), t.tensor(0.7)),
    "Uniform": lambda t, d: d.Uniform(t.tensor(V), t.tensor(3.0)),
    "Exponential": lambda t, d: d.Exponential(t.tensor(V)),
    "Gamma": lambda t, d: d.Gamma(t.tensor(V), t.tensor([1.0, 0.5, 2.0])),
    "Chi2": lambda t, d: d.Chi2(t.tensor(V)),
    "InverseGamma": lambda t, d: d.InverseGamma(t.tensor(V) + 2, t.tensor(1.5)),
    "Beta": lambda t, d: d.Beta(t.tensor(V), t.tensor(1.5)),
    "Dirichlet": lambda t, d: d.Dirichlet(t.tensor([V, [1.0, 2.0, 3.0], [0.3, 0.2, 0.7]])),
    "StudentT": lambda t, d: d.StudentT(t.tensor([1.0, 1.5, 4.0]), t.tensor(V), 2.0),
    "Poisson": lambda t, d: d.Poisson(t.tensor([0.5, 3.0, 20.0])),
    "Bernoulli": lambda t, d: d.Bernoulli(probs=t.tensor([0.2, 0.5, 0.9])),
    "Bernoulli of logits": lambda t, d: d.Bernoulli(logits=t.tensor(V)),
    "Geometric": lambda t, d: d.Geometric(probs=t.tensor([0.2, 0.5, 0.9])),
    "Binomial": lambda t, d: d.Binomial(6, probs=t.tensor([0.2, 0.5, 0.9])),
    "NegativeBinomial": lambda t, d: d.NegativeBinomial(5.0, probs=t.tensor([0.2, 0.5, 0.7])),
    "Categorical": lambda t, d: d.Categorical(t.tensor([V, [1.0, 1.0, 1.0]])),
    "Categorical of logits": lambda t, d: d.Categorical(logits=t.tensor(V)),
    "OneHotCategorical": lambda t, d: d.OneHotCategorical(t.tensor([V, V])),
    "OneHotCategoricalStraightThrough": lambda t, d: d.OneHotCategoricalStraightThrough(
        t.tensor([V, V])
    ),
    "Multinomial": lambda t, d: d.Multinomial(7, t.tensor([V, V])),
    "MultivariateNormal": lambda t, d: d.MultivariateNormal(
        t.tensor(V), t.eye(3) * 2 + t.ones(3, 3) * 0.3
    ),
    "MultivariateNormal of precisions": lambda t, d: d.MultivariateNormal(
        t.zeros(2, 3), precision_matrix=t.eye(3) * 2 + t.ones(3, 3) * 0.3
    ),
    "MultivariateNormal of scales": lambda t, d: d.MultivariateNormal(
        t.zeros(3), scale_tril=(t.eye(3) * 2 + t.ones(3, 3) * 0.3).tril()
    ),
    "HalfNormal": lambda t, d: d.HalfNormal(t.tensor(V)),
    "HalfCauchy": lambda t, d: d.HalfCauchy(t.tensor(V)),
    "LogNormal": lambda t, d: d.LogNormal(t.tensor(V), t.tensor(0.6)),
    "LogisticNormal": lambda t, d: d.LogisticNormal(t.tensor(V), t.tensor(0.6)),
    "Gumbel": lambda t, d: d.Gumbel(t.tensor(V), t.tensor(0.6)),
    "Gumbel of numbers": lambda t, d: d.Gumbel(0.5, 2.0),
    "Weibull": lambda t, d: d.Weibull(t.tensor(V), t.tensor(1.6)),
    "Pareto": lambda t, d: d.Pareto(t.tensor(V), t.tensor(2.6)),
    "FisherSnedecor": lambda t, d: d.FisherSnedecor(t.tensor(V) * 2, t.tensor(5.0)),
    "Kumaraswamy": lambda t, d: d.Kumaraswamy(t.tensor([0.6, 1.3, 2.2]), t.tensor(1.6)),
    "RelaxedBernoulli": lambda t, d: d.RelaxedBernoulli(
        t.tensor(0.7), probs=t.tensor([0.2, 0.5, 0.9])
    ),
    "RelaxedOneHotCategorical": lambda t, d: d.RelaxedOneHotCategorical(
        t.tensor(0.7), t.tensor([V, V])
    ),
    "Independent": lambda t, d: d.Independent(d.Normal(t.zeros(2, 3), t.tensor(V)), 1),
    "TransformedDistribution": lambda t, d: d.TransformedDistribution(
        d.Normal(t.tensor(V), 1.0),
        [d.AffineTransform(1.0, t.tensor([2.0, -1.0, 0.5])), d.SigmoidTransform()],
    ),
    "MixtureSameFamily": lambda t, d: d.MixtureSameFamily(
        d.Categorical(t.tensor([0.3, 0.7])), d.Normal(t.tensor([0.0, 3.0]), t.tensor([1.0, 0.5]))
    ),
    "MixtureSameFamily of vectors": lambda t, d: d.MixtureSameFamily(
        d.Categorical(t.ones(4, 2)), d.Independent(d.Normal(t.zeros(4, 2, 3), t.tensor(V)), 1)
    ),
}
PROPERTIES = ("mean", "mode", "variance", "stddev", "probs", "logits")


def outcome(call: Callable[[], Any]) -> Any:
    """A value, or the type of the error."""
    try:
        return call()
    except Exception as error:
        return type(error)


def same(mine: Any, theirs: Any, about: str, rtol: float = 3e-4) -> None:
    if isinstance(theirs, type):
        assert mine is theirs, f"{about}: {mine}, not {theirs}"
        return
    assert not isinstance(mine, type), f"{about}: {mine}"
    assert tuple(mine.shape) == tuple(theirs.shape), about
    assert str(mine.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1], about
    a, b = mine.detach().numpy(), theirs.detach().numpy()
    np.testing.assert_allclose(a, b, rtol=rtol, atol=2e-5, err_msg=about)


@pytest.fixture(params=CASES)
def pair(request: Any) -> tuple[Any, Any]:
    make = CASES[request.param]
    return make(xptorch, xptorch.distributions), make(torch, torch.distributions)


def test_shapes_and_text(pair: Any) -> None:
    mine, theirs = pair
    for name in ("batch_shape", "event_shape", "has_rsample", "has_enumerate_support"):
        assert getattr(mine, name) == getattr(theirs, name), name
    assert repr(mine) == repr(theirs).replace("torch.Size", "xptorch.Size")
    assert repr(mine.support) == repr(theirs.support)
    assert set(mine.arg_constraints) == set(theirs.arg_constraints)


def test_moments(pair: Any) -> None:
    mine, theirs = pair
    for name in PROPERTIES:
        if hasattr(type(theirs), name):
            same(
                outcome(lambda n=name: getattr(mine, n)),
                outcome(lambda n=name: getattr(theirs, n)),
                name,
            )
    same(outcome(mine.entropy), outcome(theirs.entropy), "entropy")
    for expand in (True, False):
        found = [outcome(lambda d=d, e=expand: d.enumerate_support(e)) for d in pair]
        same(*found, "enumerate_support")


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_samples_and_their_densities(pair: Any, shape: Any) -> None:
    mine, theirs = pair
    xptorch.manual_seed(11)
    torch.manual_seed(11)
    x, y = mine.sample(shape), theirs.sample(shape)
    same(x, y, "sample")
    again = xptorch.from_numpy(y.numpy())
    same(outcome(lambda: mine.log_prob(again)), outcome(lambda: theirs.log_prob(y)), "log_prob")
    same(outcome(lambda: mine.cdf(again)), outcome(lambda: theirs.cdf(y)), "cdf")
    u = np.linspace(0.05, 0.95, int(np.prod(shape)), dtype="float32").reshape(shape)
    u = np.broadcast_to(u[(..., *(None,) * len(theirs.batch_shape))], shape + theirs.batch_shape)
    args = xptorch.from_numpy(u.copy()), torch.from_numpy(u.copy())
    same(outcome(lambda: mine.icdf(args[0])), outcome(lambda: theirs.icdf(args[1])), "icdf")


def test_expanded(pair: Any) -> None:
    shape = (2, *pair[1].batch_shape)
    mine, theirs = (d.expand(shape) for d in pair)
    assert mine.batch_shape == theirs.batch_shape
    xptorch.manual_seed(3)
    torch.manual_seed(3)
    same(mine.sample((2,)), theirs.sample((2,)), "sample")
    if outcome(theirs.entropy) is not AttributeError:  # PyTorch's expanded Multinomial has none
        same(outcome(mine.entropy), outcome(theirs.entropy), "entropy")


RSAMPLE = {
    "Normal": lambda t, d, p: d.Normal(p, p.exp()),
    "Laplace": lambda t, d, p: d.Laplace(p, p.exp()),
    "Uniform": lambda t, d, p: d.Uniform(p, p + p.exp()),
    "Exponential": lambda t, d, p: d.Exponential(p.exp()),
    "Gamma": lambda t, d, p: d.Gamma(p.exp(), p.exp()),
    "Beta": lambda t, d, p: d.Beta(p.exp(), 1 / p),
    "Dirichlet": lambda t, d, p: d.Dirichlet(p.exp()),
    "StudentT": lambda t, d, p: d.StudentT(p.exp(), p, p.exp()),
    "Gumbel": lambda t, d, p: d.Gumbel(p, p.exp()),
    "LogNormal": lambda t, d, p: d.LogNormal(p, p.exp()),
    "Weibull": lambda t, d, p: d.Weibull(p.exp(), p.exp()),
    "RelaxedBernoulli": lambda t, d, p: d.RelaxedBernoulli(t.tensor(0.7), logits=p),
    "RelaxedOneHot": lambda t, d, p: d.RelaxedOneHotCategorical(t.tensor(0.7), logits=p),
    "StraightThrough": lambda t, d, p: d.OneHotCategoricalStraightThrough(logits=p),
    "MultivariateNormal": lambda t, d, p: d.MultivariateNormal(
        p, scale_tril=t.eye(3) * p.exp() + t.ones(3, 3).tril(-1)
    ),
}


@pytest.mark.parametrize("name", RSAMPLE)
def test_gradients(name: str) -> None:
    found = []
    for library in (xptorch, torch):
        p = library.tensor(V).requires_grad_()
        made = RSAMPLE[name](library, library.distributions, p)
        library.manual_seed(2)
        x = made.rsample((5,))
        loss = (x * library.arange(1.0, x.numel() + 1).reshape(x.shape)).sum()
        (loss + made.log_prob(made.sample()).sum()).backward()
        found.append(p.grad)
    # PyTorch approximates the implicit gradients of beta variates.
    same(*found, "gradient", 3e-3 if name in ("Beta", "Dirichlet") else 3e-4)


KL: dict[str, Make] = {
    "Normal": lambda t, d: (d.Normal(t.tensor(V), 1.0), d.Normal(0.0, t.tensor(V))),
    "Bernoulli": lambda t, d: (
        d.Bernoulli(t.tensor([0.2, 0.0])),
        d.Bernoulli(t.tensor([0.6, 0.5])),
    ),
    "Binomial": lambda t, d: (d.Binomial(4, t.tensor([0.2])), d.Binomial(4, t.tensor([0.6]))),
    "Categorical": lambda t, d: (d.Categorical(t.tensor(V)), d.Categorical(t.ones(3))),
    "Beta": lambda t, d: (d.Beta(t.tensor(V), 1.0), d.Beta(2.0, t.tensor(V))),
    "Dirichlet": lambda t, d: (d.Dirichlet(t.tensor(V)), d.Dirichlet(t.ones(3))),
    "Exponential": lambda t, d: (d.Exponential(t.tensor(V)), d.Exponential(1.0)),
    "Gamma": lambda t, d: (d.Gamma(t.tensor(V), 1.0), d.Gamma(2.0, t.tensor(V))),
    "Geometric": lambda t, d: (d.Geometric(t.tensor(0.3)), d.Geometric(t.tensor(0.6))),
    "Gumbel": lambda t, d: (d.Gumbel(t.tensor(V), 1.0), d.Gumbel(2.0, t.tensor(V))),
    "HalfNormal": lambda t, d: (d.HalfNormal(t.tensor(V)), d.HalfNormal(2.0)),
    "Laplace": lambda t, d: (d.Laplace(t.tensor(V), 1.0), d.Laplace(2.0, t.tensor(V))),
    "LogNormal": lambda t, d: (d.LogNormal(t.tensor(V), 1.0), d.LogNormal(2.0, t.tensor(V))),
    "MultivariateNormal": lambda t, d: (
        d.MultivariateNormal(t.tensor(V), t.eye(3) * 2),
        d.MultivariateNormal(t.zeros(3), t.eye(3) + t.ones(3, 3) * 0.2),
    ),
    "OneHotCategorical": lambda t, d: (
        d.OneHotCategorical(t.tensor(V)),
        d.OneHotCategorical(t.ones(3)),
    ),
    "Poisson": lambda t, d: (d.Poisson(t.tensor(V)), d.Poisson(t.tensor(2.0))),
    "Uniform": lambda t, d: (d.Uniform(t.tensor(V), 3.0), d.Uniform(0.5, 4.0)),
    "Cauchy": lambda t, d: (d.Cauchy(t.tensor(V), 1.0), d.Cauchy(2.0, t.tensor(V))),
    "Independent": lambda t, d: (
        d.Independent(d.Normal(t.tensor(V), 1.0), 1),
        d.Independent(d.Normal(0.0, t.tensor(V)), 1),
    ),
    "Exponential Gamma": lambda t, d: (d.Exponential(t.tensor(V)), d.Gamma(2.0, t.tensor(V))),
    "Uniform Normal": lambda t, d: (d.Uniform(t.tensor(V), 3.0), d.Normal(0.5, t.tensor(V))),
    "Laplace Normal": lambda t, d: (d.Laplace(t.tensor(V), 1.0), d.Normal(2.0, t.tensor(V))),
    "Normal Gumbel": lambda t, d: (d.Normal(t.tensor(V), 1.0), d.Gumbel(2.0, t.tensor(V))),
    "none": lambda t, d: (d.Normal(0.0, 1.0), d.Cauchy(0.0, 1.0)),
}


@pytest.mark.parametrize("name", KL)
def test_kl_divergence(name: str) -> None:
    found = []
    for library in (xptorch, torch):
        d = library.distributions
        p, q = KL[name](library, d)
        found.append(outcome(lambda d=d, p=p, q=q: d.kl_divergence(p, q)))
    same(*found, "kl")


PAIRED: dict[str, Make] = {
    "Beta": lambda t, d: d.Beta(t.tensor(V), 1.7),
    "Exponential": lambda t, d: d.Exponential(t.tensor(V)),
    "Gamma": lambda t, d: d.Gamma(t.tensor(V), 1.4),
    "Gumbel": lambda t, d: d.Gumbel(t.tensor(V), 1.2),
    "Laplace": lambda t, d: d.Laplace(t.tensor(V), 0.8),
    "Normal": lambda t, d: d.Normal(t.tensor(V), 1.3),
    "Pareto": lambda t, d: d.Pareto(t.tensor([0.3, 0.4, 0.2]), t.tensor([3.0, 1.5, 0.7])),
    "Uniform": lambda t, d: d.Uniform(t.tensor([0.0, -0.2, 0.45]), t.tensor([0.7, 0.6, 1.6])),
    "Uniform within": lambda t, d: d.Uniform(t.tensor([0.0, 0.0, 0.5]), t.tensor([1.0, 0.5, 1.0])),
    "Poisson": lambda t, d: d.Poisson(t.tensor(V)),
    "Bernoulli": lambda t, d: d.Bernoulli(t.tensor([0.0, 0.3, 1.0])),
    "Binomial": lambda t, d: d.Binomial(3, t.tensor([0.1, 0.2, 0.3])),
}


@pytest.mark.parametrize("p", PAIRED)
@pytest.mark.parametrize("q", PAIRED)
def test_kl_divergence_of_two_kinds(p: str, q: str) -> None:
    found = []
    for t in (xptorch, torch):
        pair = [PAIRED[name](t, t.distributions) for name in (p, q)]
        found.append(outcome(lambda d=t.distributions, pair=pair: d.kl_divergence(*pair)))
    same(*found, f"kl of {p} and {q}", rtol=1e-4)


@pytest.mark.parametrize(
    "call",
    [
        lambda t, d: d.Normal(0.0, -1.0),
        lambda t, d: d.Normal("a", 1),
        lambda t, d: d.Normal(0.0, 1.0).log_prob(1.0),
        lambda t, d: d.Normal(t.zeros(3), 1.0).log_prob(t.zeros(2)),
        lambda t, d: d.Bernoulli(probs=t.tensor(0.5)).log_prob(t.tensor(0.3)),
        lambda t, d: d.Bernoulli(),
        lambda t, d: d.Categorical(t.ones(())),
        lambda t, d: d.Independent(d.Normal(0.0, 1.0), 1),
        lambda t, d: d.MultivariateNormal(t.zeros(2)),
        lambda t, d: d.MultivariateNormal(t.zeros(2), t.zeros(2, 2)),
        lambda t, d: d.Uniform(1.0, 0.0),
        lambda t, d: d.Multinomial(2, t.ones(2)).log_prob(t.tensor([1.0, 2.0])),
        lambda t, d: d.Categorical(t.ones(3)).rsample(),
        lambda t, d: d.Normal(t.zeros(2), 1.0).expand([3]),
        lambda t, d: d.Multinomial(t.tensor(2), t.ones(2)),
        lambda t, d: d.Dirichlet(t.tensor(1.0)),
        lambda t, d: d.biject_to(d.constraints.boolean),
        lambda t, d: d.MixtureSameFamily(d.Normal(0.0, 1.0), d.Normal(0.0, 1.0)),
    ],
)
def test_errors(call: Make) -> None:
    with pytest.raises(Exception) as theirs:
        call(torch, torch.distributions)
    with pytest.raises(theirs.type) as mine:
        call(xptorch, xptorch.distributions)
    if theirs.type is ValueError:
        text = str(theirs.value).replace("torch.Size", "xptorch.Size")
        assert str(mine.value).splitlines()[:1] == text.splitlines()[:1]


def test_validation_can_be_turned_off() -> None:
    d = xptorch.distributions.Normal(0.0, -1.0, validate_args=False)
    assert d.scale.item() == -1


def test_policy_gradient_reaches_the_logits() -> None:
    logits = xptorch.zeros(3, requires_grad=True)
    policy = xptorch.distributions.Categorical(logits=logits)
    (-policy.log_prob(xptorch.tensor(2)) - 0.1 * policy.entropy()).backward()
    np.testing.assert_allclose(logits.grad.numpy(), [1 / 3, 1 / 3, -2 / 3], atol=1e-6)
