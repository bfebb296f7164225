"""Weight normalisation, spectral normalisation, orthogonal weights, as parametrizations."""

from __future__ import annotations

from typing import Any

from xptorch._core import dtype as dtypes
from xptorch._engine.grad_mode import no_grad
from xptorch._tensor.tensor import Tensor
from xptorch.nn import functional as F
from xptorch.nn.conv import _ConvTransposeNd
from xptorch.nn.functional.native import norm_except_dim
from xptorch.nn.module import Module
from xptorch.nn.utils import parametrize
from xptorch.ops.linalg import decompositions, householder, inverses
from xptorch.ops.shape import creation, joining

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _like(tensor: Tensor) -> dict[str, Any]:
    return {"dtype": tensor.dtype, "device": tensor.device}


# ---- weight normalisation


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, dim=self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, dim=self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    r"""Split a weight into norm and direction: :math:`w = g \, v / \|v\|`.

    ``parametrizations.<name>.original0`` is `g`, ``original1`` is `v`.

    Args:
        module: whose weight it is.
        name: of the weight.
        dim: the axis of which each slice has its own norm; None: one norm for all.

    Returns:
        the module.

    Source: Salimans & Kingma, Weight normalization (2016).

    >>> import xptorch as torch
    >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(20, 40))
    >>> layer.parametrizations.weight.original0.shape
    xptorch.Size([40, 1])
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename_older(state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename_older)
    return module


# ---- spectral normalisation


def default_axis(module: Module) -> int:
    """The axis of a layer's weight that corresponds to its outputs."""
    return 1 if isinstance(module, _ConvTransposeNd) else 0


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """A weight as a matrix, whose rows are its slices along an axis."""
    return weight.movedim(dim, 0).unsqueeze(-1).flatten(1)


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(
        self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got "
                f"{dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim)
            for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                start = creation.empty(size, **_like(matrix)).normal_(0, 1)
                self.register_buffer(name, F.normalize(start, dim=0, eps=eps))
            self._iterate(matrix, 15)

    @no_grad()
    def _iterate(self, matrix: Tensor, times: int) -> None:
        """Power iteration: `_u` and `_v` approach the first pair of singular vectors."""
        for _ in range(times):
            self._u.copy_(F.normalize(matrix.mv(self._v), dim=0, eps=self.eps))
            self._v.copy_(F.normalize(matrix.mH.mv(self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix.detach(), self.n_power_iterations)
        # Copies: the next call changes the buffers in place, maybe before this one's backward.
        u, v = self._u.clone(), self._v.clone()
        return weight / u.vdot(matrix.mv(v))

    def right_inverse(self, value: Tensor) -> Tensor:
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    r"""Divide a weight by its largest singular value: :math:`w = w_0 / \sigma(w_0)`.

    σ is estimated by power iteration, which in training continues at every use.

    Args:
        module: whose weight it is.
        name: of the weight.
        n_power_iterations: steps per use.
        eps: keeps norms nonzero.
        dim: the axis of the outputs; by default 0, but 1 for transposed convolutions.

    Returns:
        the module.

    Raises:
        ValueError: there is no such weight, or `n_power_iterations` is not positive.

    Source: Miyato et al., Spectral normalization for generative adversarial networks (2018).
    """
    weight = _weight_of(module, name)
    dim = default_axis(module) if dim is None else dim
    made = _SpectralNorm(weight, n_power_iterations, dim, eps)
    return parametrize.register_parametrization(module, name, made)


def _weight_of(module: Module, name: str) -> Tensor:
    found = getattr(module, name, None)
    if not isinstance(found, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return found


# ---- orthogonal weights


def _orthogonalized(a: Tensor) -> Tensor:
    """The Q of A = Q R whose R has a positive diagonal."""
    q, r = decompositions.qr(a)
    return q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


def _is_orthogonal(q: Tensor) -> bool:
    n, k = q.shape[-2:]
    eye = creation.eye(k, **_like(q))
    return (q.mH @ q).allclose(eye.expand(*q.shape[:-2], k, k), atol=10 * n * _eps(q))


def _eps(q: Tensor) -> float:
    return dtypes.finfo(q.dtype).eps


_MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    base: Tensor

    def __init__(self, weight: Tensor, orthogonal_map: str, use_trivialization: bool) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Tensor) -> Tensor:
        wide = x.shape[-2] < x.shape[-1]
        if wide:
            x = x.mT
        if self.orthogonal_map == "householder":
            a = x.tril(-1)
            q = householder.householder_product(a, 2.0 / (1.0 + (a * a).sum(-2)))
            # The diagonal's signs are the only other degrees of freedom of an orthogonal matrix.
            q = q * x.diagonal(dim1=-2, dim2=-1).trunc().detach().unsqueeze(-2)
        else:
            q = self._of_skew(x)
        if getattr(self, "base", None) is not None:
            q = self.base @ q
        return q.mT if wide else q

    def _of_skew(self, x: Tensor) -> Tensor:
        """The orthogonal matrix for the skew-symmetric one that the lower triangle defines."""
        n, k = x.shape[-2:]
        x = x.tril()
        if n != k:
            x = joining.cat([x, creation.zeros(*x.shape[:-1], n - k, **_like(x))], -1)
        a = x - x.mH
        if self.orthogonal_map == "matrix_exp":
            q = inverses.matrix_exp(a)
        else:
            eye = creation.eye(n, **_like(a))
            q = inverses.solve(eye - 0.5 * a, eye + 0.5 * a)
        return q[..., :k]

    @no_grad()
    def right_inverse(self, q: Tensor) -> Tensor:
        if q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. "
                f"Got a tensor of shape {q.shape}."
            )
        wide = q.shape[-2] < q.shape[-1]
        if wide:
            q = q.mT
        if "base" in self._buffers:
            result = self._start_from(q)
        elif self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        else:
            result, tau = householder.geqrf(q.detach())
            signs = result.diagonal(dim1=-2, dim2=-1).sign()
            signs = signs.where(tau != 0, -signs)  # where there was nothing to reflect
            result.diagonal(dim1=-2, dim2=-1).copy_(signs)
        return result.mT if wide else result

    def _start_from(self, q: Tensor) -> Tensor:
        """Make `q` (completed to a square) the base; returns the original with that value."""
        n, k = q.shape[-2:]
        if n == k:
            q = q.clone() if _is_orthogonal(q) else _orthogonalized(q)
        else:
            more = creation.empty(*q.shape[:-1], n - k, **_like(q)).normal_()
            q = _orthogonalized(joining.cat([q, more], -1))
        self.base = q
        return -creation.eye(n, k, **_like(q)).expand(*q.shape[:-1], k).clone()


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    r"""Keep a weight orthogonal: :math:`Q^T Q = 1`, or :math:`Q Q^T = 1` where it is wide.

    Args:
        module: whose weight it is.
        name: of the weight.
        orthogonal_map: how Q is computed from the original: ``"matrix_exp"`` (:math:`e^A` with a
            skew-symmetric A), ``"cayley"`` (:math:`(1 - A/2)^{-1} (1 + A/2)`) or
            ``"householder"`` (a product of reflections); by default the first for square
            weights, the last for others.
        use_trivialization: start from the current weight: :math:`Q_0 Q`.

    Returns:
        the module.

    Raises:
        ValueError: there is no such weight, it is not a matrix, or there is no such map.

    Source: Lezcano-Casado, Trivializations for gradient-based optimization on manifolds (2019).
    """
    weight = _weight_of(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization)
    return parametrize.register_parametrization(module, name, made, unsafe=True)
