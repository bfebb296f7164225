"""gradcheck: compare the gradients of a function with finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from xptorch._engine.grad_mode import enable_grad, no_grad
from xptorch.autograd._backward import grad
from xptorch.ops._common import is_tensor
from xptorch.ops.elementwise.complex import view_as_complex, view_as_real
from xptorch.ops.shape import creation, joining

Tensors = tuple[Any, ...]


class GradcheckError(RuntimeError):
    """The gradients of a function fail a check."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the gradients of `func` with differences (f(x + eps) − f(x − eps)) / 2 eps.

    Args:
        func: takes tensors, returns a tensor or a tuple of them.
        inputs: a tensor or a tuple of them, of double precision; those that require gradients
            are checked.
        eps, atol, rtol: the size of the changes, and the tolerances.
        raise_exception: raise on a mismatch; otherwise return False.
        nondet_tol: by how much two runs of the same backward pass may differ.
        check_undefined_grad: check that a gradient of zeros gives zeros.
        check_grad_dtypes: check that gradients have their inputs' dtypes.
        check_batched_grad: check `grad(..., is_grads_batched=True)`, too.
        fast_mode: compare one random projection instead of every element.

    Raises:
        GradcheckError: they differ.
        ValueError: no input requires gradients.
        NotImplementedError: forward-mode derivatives or sparse inputs were requested.
    """
    if check_forward_ad or check_batched_forward_grad:
        raise NotImplementedError("gradcheck: forward-mode AD is not supported")
    if masked:
        raise NotImplementedError(
            "gradcheck: masked=True is for sparse tensors, which there are not"
        )
    ins = (inputs,) if is_tensor(inputs) else tuple(inputs)
    try:
        _check_inputs(ins)
        func, ins = _as_real(func, ins)
        if check_backward_ad:
            run = _Run(func, ins, eps, atol, rtol)
            run.check_values(fast_mode)
            run.check_repeats(nondet_tol)
            if check_undefined_grad:
                run.check_zero()
            if check_grad_dtypes:
                run.check_dtypes()
            if check_batched_grad:
                run.check_batched()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def _as_real(func: Callable[..., Any], ins: Tensors) -> tuple[Callable[..., Any], Tensors]:
    """The function and its inputs, with complex tensors as real and imaginary parts."""
    places = [is_tensor(t) and t.dtype.is_complex for t in ins]

    def parts(t: Any) -> Any:
        return view_as_real(t) if is_tensor(t) and t.dtype.is_complex else t

    def function(*xs: Any) -> Any:
        with enable_grad():  # the function may check which inputs require gradients
            xs = tuple(view_as_complex(x) if z else x for x, z in zip(xs, places, strict=True))
        result = func(*xs)
        return parts(result) if is_tensor(result) else tuple(parts(t) for t in result)

    moved = tuple(
        parts(t.detach()).requires_grad_(t.requires_grad) if z else t
        for t, z in zip(ins, places, strict=True)
    )
    return function, moved


def _check_inputs(ins: Tensors) -> None:
    checked = False
    for i, t in enumerate(ins):
        if not is_tensor(t) or not t.requires_grad:
            continue
        checked = True
        if t.dtype.name not in ("float64", "complex128"):
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or "
                "complex. This check will likely fail if all the inputs are not of double "
                "precision floating point or complex. ",
                stacklevel=3,
            )
        if any(step == 0 and n > 1 for step, n in zip(t.stride(), t.shape, strict=True)):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only supports inputs "
                "that are non-overlapping to be able to compute the numerical gradients "
                "correctly. You should call .contiguous on the input before passing it to "
                "gradcheck."
            )
        t.retain_grad()
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )


class _Run:
    """One function at one point: its outputs, gradients and finite differences."""

    def __init__(
        self, func: Callable[..., Any], ins: Tensors, eps: float, atol: float, rtol: float
    ) -> None:
        self.func, self.ins, self.eps, self.atol, self.rtol = func, ins, eps, atol, rtol
        self.places = [i for i, t in enumerate(ins) if is_tensor(t) and t.requires_grad]
        with enable_grad():
            every = self.values(ins)
        self.outs = [t for t in every if t.requires_grad]
        self.constant = [i for i, t in enumerate(every) if not t.requires_grad]
        self.differentiable = [i for i, t in enumerate(every) if t.requires_grad]

    def values(self, ins: Sequence[Any]) -> Tensors:
        result = self.func(*ins)
        outs = (result,) if is_tensor(result) else tuple(result)
        return tuple(t for t in outs if is_tensor(t))

    def difference(self, place: int, direction: Any) -> list[Any]:
        """(f(x + eps d) − f(x − eps d)) / 2 eps, of every output."""
        sides = []
        with no_grad():
            for sign in (self.eps, -self.eps):
                moved = list(self.ins)
                x = self.ins[place].detach()
                moved[place] = (x + sign * direction).requires_grad_()
                # A clone: the function may return its input, or change it in place.
                sides.append([t.clone() for t in self.values(moved)])
        return [
            (a - b) / (2 * self.eps) if a.is_floating_point() else creation.zeros_like(a)
            for a, b in zip(*sides, strict=True)
        ]

    def backward(self, out: Any, g: Any) -> Tensors:
        """The gradients for every input that requires one, zeros where there is none."""
        ins = [self.ins[i] for i in self.places]
        grads = grad([out], ins, [g], retain_graph=True, allow_unused=True)
        return tuple(
            creation.zeros_like(t) if x is None else x for x, t in zip(grads, ins, strict=True)
        )

    def close(self, a: Any, b: Any) -> bool:
        return bool(a.to(b.dtype).allclose(b, rtol=self.rtol, atol=self.atol))

    def check_values(self, fast: bool) -> None:
        if fast:
            self._check_projection()
            return
        for j, place in enumerate(self.places):
            numerical = self._numerical(place)
            for i in self.constant:
                if bool((numerical[i] != 0).any()):
                    raise GradcheckError("Numerical gradient for function expected to be zero")
            for i, out in zip(self.differentiable, self.outs, strict=True):
                analytical = self._analytical(out, j)
                if not self.close(analytical, numerical[i]):
                    raise GradcheckError(_mismatch(i, place, numerical[i], analytical))

    def _numerical(self, place: int) -> list[Any]:
        """The derivatives of every output: a row for each element of the input."""
        x = self.ins[place]
        rows: list[list[Any]] = []
        for k in range(x.numel()):
            rows.append([d.reshape(-1) for d in self.difference(place, _one(x, k))])
        if not rows:
            return [creation.zeros(0, t.numel(), dtype=x.dtype) for t in self.values(self.ins)]
        return [joining.stack(list(column)) for column in zip(*rows, strict=True)]

    def _analytical(self, out: Any, j: int) -> Any:
        columns = [self.backward(out, _one(out, k))[j].reshape(-1) for k in range(out.numel())]
        x = self.ins[self.places[j]]
        if not columns:
            return creation.zeros(x.numel(), 0, dtype=x.dtype, device=x.device)
        return joining.stack(columns, dim=1)

    def _check_projection(self) -> None:
        for j, place in enumerate(self.places):
            u = _random(self.ins[place])
            numerical = self.difference(place, u)
            for i, out in zip(self.differentiable, self.outs, strict=True):
                v = _random(out)
                expected = (numerical[i] * v).sum()
                found = (self.backward(out, v)[j] * u).sum()
                if not self.close(found, expected):
                    slow = self._numerical(place)[i], self._analytical(out, j)
                    text = _mismatch(i, place, expected.item(), found.item())
                    raise GradcheckError(f"{text}(fast mode) In slow mode:\n{slow[0]}\n{slow[1]}\n")

    def check_repeats(self, tolerance: float) -> None:
        for out in self.outs:
            v = _random(out)
            for a, b in zip(self.backward(out, v), self.backward(out, v), strict=True):
                if a.numel() and float((a - b).abs().max()) > tolerance:
                    raise GradcheckError(
                        "Backward is not reentrant, i.e., running backward with same input and "
                        "grad_output multiple times gives different values, although analytical "
                        "gradient matches numerical gradient. The tolerance for nondeterminism was "
                        f"{tolerance}."
                    )

    def check_zero(self) -> None:
        for out in self.outs:
            for g in self.backward(out, creation.zeros_like(out)):
                if bool((g != 0).any()):
                    raise GradcheckError("backward not multiplied by grad_output")

    def check_dtypes(self) -> None:
        for out in self.outs:
            for g, place in zip(self.backward(out, _random(out)), self.places, strict=True):
                if g.dtype is not self.ins[place].dtype:
                    raise GradcheckError("Backward's gradient has not the dtype of its input")

    def check_batched(self) -> None:
        ins = [self.ins[i] for i in self.places]
        for out in self.outs:
            vs = [_random(out) for _ in range(2)]
            batched = grad(
                [out], ins, [joining.stack(vs)], True, allow_unused=True, is_grads_batched=True
            )
            single = zip(*(self.backward(out, v) for v in vs), strict=True)
            for found, rows in zip(batched, single, strict=True):
                if found is not None and not self.close(found, joining.stack(list(rows))):
                    raise GradcheckError("Batched gradients differ from those of a loop")


def _one(like: Any, k: int) -> Any:
    """Zeros like a tensor with a 1 as its k-th element."""
    flat = creation.zeros(like.numel(), dtype=like.dtype, device=like.device)
    flat._data = flat._device.xp.assign(flat._data, k, 1)
    return flat.reshape(like.shape)


def _random(like: Any) -> Any:
    """Values in [0.5, 1.5), which cannot cancel out; the global generator is not used."""
    from xptorch.random import Generator

    values = creation.empty(like.shape, dtype=like.dtype).uniform_(0.5, 1.5, generator=Generator())
    return values.to(like.device)


def _mismatch(output: int, input: int, numerical: Any, analytical: Any) -> str:
    return (
        f"Jacobian mismatch for output {output} with respect to input {input},\n"
        f"numerical:{numerical}\nanalytical:{analytical}\n"
    )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """`gradcheck` of the gradients of `func`: a check of its second derivatives.

    Args:
        grad_outputs: the incoming gradients of the outputs; random by default.
        gen_non_contig_grad_outputs: make the random ones non-contiguous.
    """
    if check_fwd_over_rev:
        raise NotImplementedError("gradgradcheck: forward-mode AD is not supported")
    ins = (inputs,) if is_tensor(inputs) else tuple(inputs)
    with enable_grad():
        result = func(*ins)
    outs = [t for t in ((result,) if is_tensor(result) else result) if is_tensor(t)]
    outs = [t for t in outs if t.requires_grad]
    if grad_outputs is None:
        grads = [_random(t) for t in outs]
        if gen_non_contig_grad_outputs:
            grads = [joining.stack([g, g], dim=-1)[..., 0] for g in grads]
        grads = [g.detach().requires_grad_() for g in grads]
    else:
        grads = [grad_outputs] if is_tensor(grad_outputs) else list(grad_outputs)
    count = len(grads)

    def gradients(*args: Any) -> Tensors:
        tensors, vs = args[:-count], args[-count:]
        with enable_grad():
            result = func(*tensors)
            outs = [t for t in ((result,) if is_tensor(result) else result) if is_tensor(t)]
            outs = [t for t in outs if t.requires_grad]
            wanted = [t for t in tensors if is_tensor(t) and t.requires_grad]
            found = grad(outs, wanted, vs, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    return gradcheck(
        gradients,
        (*ins, *grads),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )
