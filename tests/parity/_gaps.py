"""Known differences from PyTorch: one row for each gap, with its reason.

A row names an entry of PyTorch's databases (an fnmatch pattern), where the difference occurs (a
pattern over "kind where", such as "missing *" or "wrong *float16*"), and why. A row that nothing
matches any more fails the tests: delete it then. Where the reason is rounding that depends on the
processor or the BLAS, the row need not match on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import pytest


class Gap(NamedTuple):
    name: str
    where: str
    reason: str


_TIES = "of equal elements either may come first: PyTorch's order follows its sorting algorithm"
_HALF = "no complex numbers of half precision"
_NO_ORDER = "eigenvalues come in no order"
_ILL = "ill-conditioned: the two ways of working it out differ in the eighth digit"
_SPARSE = "no sparse tensors, so no sparse gradients"
_FINITE = "finite where PyTorch overflows"
_CANCEL = "a float16 sum whose terms cancel"
_AMPLIFIED = "its history divides differences of nearly equal gradients: rounding errors grow"

GAPS = [
    *(Gap(n, "wrong * *int*", _TIES) for n in ("sort", "argsort", "topk", "kthvalue", "mode")),
    *(Gap(n, "wrong * f*16", _TIES) for n in ("sort", "argsort", "topk", "mode")),
    *(Gap(n, "wrong * bool", _TIES) for n in ("sort", "argsort", "mode")),
    *(Gap(n, "missing * float16", _HALF) for n in ("complex", "view_as_complex")),
    Gap("logcumsumexp", "missing * complex*", "not of complex numbers"),
    *(Gap(n, "wrong * complex64", _NO_ORDER) for n in ("linalg.eig", "linalg.eigvals")),
    *(Gap(n, "wrong * complex128 second", _ILL) for n in ("svd_lowrank", "pca_lowrank")),
    Gap("linalg.householder_product", "wrong * complex128 second", _ILL),
    Gap("logsumexp", "wrong * complex128 second", _ILL),
    Gap("linalg.vander", "wrong * complex* second", "PyTorch's second derivative lacks a term"),
    *(Gap(f"nn.functional.{n}", "missing *", _SPARSE) for n in ("embedding", "embedding_bag")),
    Gap("nn.functional.soft_margin_loss", "wrong * float16*", _FINITE),
    Gap("matrix_exp", "wrong * float16*", _FINITE),
    Gap("linalg.norm.subgradients_at_zero", "wrong * second", "0 where PyTorch has NaN"),
    Gap("masked.logaddexp", "wrong * second", "0 where PyTorch has NaN: one of the two is hidden"),
    Gap("*polygamma*", "wrong *polygamma float32", "PyTorch's trigamma loses digits in float32"),
    Gap("*polygamma*", "wrong *polygamma* float32", "PyTorch's is inexact near the poles"),
    Gap("nn.functional.binary_cross_entropy_with_logits", "wrong * float16", _CANCEL),
    Gap("addbmm", "wrong Tensor.addbmm_ *", "PyTorch lets `self` grow in place"),
    Gap("nn.functional.grid_sample", "wrong * float16", "PyTorch rounds the bicubic weights"),
    Gap("grid_sampler_2d", "wrong * float16", "PyTorch rounds the bicubic weights"),
    Gap("nn.CTCLoss", "wrong float32 * gradient", "PyTorch adds up fifty steps in float32"),
    Gap("as_strided_scatter", "wrong * gradient", "PyTorch's reaches elements it has replaced"),
    Gap("special.bessel_[jy][01]", "wrong * float64", "PyTorch's are exact to nine digits only"),
    Gap("LBFGS", "wrong float32 *", _AMPLIFIED),
    Gap("LBFGS", "wrong float64 * state", _AMPLIFIED),
]


def gaps_of(name: str) -> list[Gap]:
    return [g for g in GAPS if fnmatchcase(name, g.name)]


def explain(name: str, found: Iterable[Any]) -> tuple[list[Any], list[Gap]]:
    """The findings that no row explains, and the rows that explain a finding."""
    rows = gaps_of(name)
    used: list[Gap] = []
    unexplained = []
    for finding in found:
        matching = list(_matching(finding, rows))
        used += matching
        if not matching:
            unexplained.append(finding)
    return unexplained, used


def _matching(finding: Any, rows: list[Gap]) -> Iterator[Gap]:
    return (g for g in rows if fnmatchcase(f"{finding.kind} {finding.where}", g.where))


def judge(name: str, found: list[Any]) -> None:
    """Fail for findings that no row explains and for rows that explain none."""
    unexplained, used = explain(name, found)
    first_of_each = {f"{f.kind} {f.where}": f for f in reversed(unexplained)}
    idle = [
        f"mended, so delete from the table: {g}"
        for g in gaps_of(name)
        if g not in used and g.reason not in (_ILL, _AMPLIFIED)
    ]
    if lines := [*map(str, reversed(first_of_each.values())), *idle]:
        pytest.fail("\n".join([name, *lines]), pytrace=False)
