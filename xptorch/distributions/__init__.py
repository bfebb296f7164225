"""Probability distributions: sampling, densities, divergences, transforms and constraints."""

from xptorch.distributions import constraints as constraints
from xptorch.distributions import transforms as transforms
from xptorch.distributions import utils as utils
from xptorch.distributions.bernoulli import Bernoulli
from xptorch.distributions.beta import Beta
from xptorch.distributions.binomial import Binomial
from xptorch.distributions.categorical import Categorical
from xptorch.distributions.cauchy import Cauchy
from xptorch.distributions.chi2 import Chi2
from xptorch.distributions.constraint_registry import biject_to, transform_to
from xptorch.distributions.dirichlet import Dirichlet
from xptorch.distributions.distribution import Distribution
from xptorch.distributions.exp_family import ExponentialFamily
from xptorch.distributions.exponential import Exponential
from xptorch.distributions.fishersnedecor import FisherSnedecor
from xptorch.distributions.gamma import Gamma
from xptorch.distributions.geometric import Geometric
from xptorch.distributions.gumbel import Gumbel
from xptorch.distributions.half_cauchy import HalfCauchy
from xptorch.distributions.half_normal import HalfNormal
from xptorch.distributions.independent import Independent
from xptorch.distributions.inverse_gamma import InverseGamma
from xptorch.distributions.kl import kl_divergence, register_kl
from xptorch.distributions.kumaraswamy import Kumaraswamy
from xptorch.distributions.laplace import Laplace
from xptorch.distributions.log_normal import LogNormal
from xptorch.distributions.logistic_normal import LogisticNormal
from xptorch.distributions.mixture_same_family import MixtureSameFamily
from xptorch.distributions.multinomial import Multinomial
from xptorch.distributions.multivariate_normal import MultivariateNormal
from xptorch.distributions.negative_binomial import NegativeBinomial
from xptorch.distributions.normal import Normal
from xptorch.distributions.one_hot_categorical import (
    OneHotCategorical,
    OneHotCategoricalStraightThrough,
)
from xptorch.distributions.pareto import Pareto
from xptorch.distributions.poisson import Poisson
from xptorch.distributions.relaxed_bernoulli import RelaxedBernoulli
from xptorch.distributions.relaxed_categorical import RelaxedOneHotCategorical
from xptorch.distributions.studentT import StudentT
from xptorch.distributions.transformed_distribution import TransformedDistribution
from xptorch.distributions.transforms import (
    AbsTransform,
    AffineTransform,
    CatTransform,
    ComposeTransform,
    CumulativeDistributionTransform,
    ExpTransform,
    IndependentTransform,
    LowerCholeskyTransform,
    PositiveDefiniteTransform,
    PowerTransform,
    ReshapeTransform,
    SigmoidTransform,
    SoftmaxTransform,
    SoftplusTransform,
    StackTransform,
    StickBreakingTransform,
    TanhTransform,
    Transform,
    identity_transform,
)
from xptorch.distributions.uniform import Uniform
from xptorch.distributions.weibull import Weibull

__all__ = [
    "AbsTransform",
    "AffineTransform",
    "Bernoulli",
    "Beta",
    "Binomial",
    "CatTransform",
    "Categorical",
    "Cauchy",
    "Chi2",
    "ComposeTransform",
    "CumulativeDistributionTransform",
    "Dirichlet",
    "Distribution",
    "ExpTransform",
    "Exponential",
    "ExponentialFamily",
    "FisherSnedecor",
    "Gamma",
    "Geometric",
    "Gumbel",
    "HalfCauchy",
    "HalfNormal",
    "Independent",
    "IndependentTransform",
    "InverseGamma",
    "Kumaraswamy",
    "Laplace",
    "LogNormal",
    "LogisticNormal",
    "LowerCholeskyTransform",
    "MixtureSameFamily",
    "Multinomial",
    "MultivariateNormal",
    "NegativeBinomial",
    "Normal",
    "OneHotCategorical",
    "OneHotCategoricalStraightThrough",
    "Pareto",
    "Poisson",
    "PositiveDefiniteTransform",
    "PowerTransform",
    "RelaxedBernoulli",
    "RelaxedOneHotCategorical",
    "ReshapeTransform",
    "SigmoidTransform",
    "SoftmaxTransform",
    "SoftplusTransform",
    "StackTransform",
    "StickBreakingTransform",
    "StudentT",
    "TanhTransform",
    "Transform",
    "TransformedDistribution",
    "Uniform",
    "Weibull",
    "biject_to",
    "identity_transform",
    "kl_divergence",
    "register_kl",
    "transform_to",
]
