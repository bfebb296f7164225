"""The short-time Fourier transform, its inverse, and the window functions that taper signals."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from xptorch._core import dtype as dtypes
from xptorch.ops._common import need_tensor, to_dtype
from xptorch.ops.elementwise.complex import view_as_real
from xptorch.ops.layers.padding import pad
from xptorch.ops.shape import creation
from xptorch.ops.shape.copy_and_fill import constant_pad
from xptorch.ops.signal import fourier
from xptorch.ops.special import bessel

if TYPE_CHECKING:
    from xptorch._core.dtype import dtype
    from xptorch._tensor.tensor import Tensor

__all__ = [
    "bartlett_window", "blackman_window", "hamming_window", "hann_window", "istft",
    "kaiser_window", "stft",
]  # fmt: skip

_NO_WINDOW = "A window was not provided. A rectangular window will be applied."


def _centered(window: Tensor | None, win_length: int, n_fft: int, like: Tensor) -> Tensor | None:
    """The window centered in a frame of n_fft; None for a full frame of ones."""
    if window is None:
        if win_length == n_fft:
            return None
        window = creation.ones(win_length, dtype=like.dtype.to_real(), device=like._device)
    if win_length == n_fft:
        return window
    left = (n_fft - win_length) // 2
    return constant_pad(window, ((left, n_fft - win_length - left),), 0.0)


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """The Fourier transforms of windows of a signal, `hop_length` apart.

    Args:
        input: one signal, or a batch of them.
        n_fft: the size of a transform.
        hop_length: the step between windows; a quarter of `n_fft` by default.
        win_length: the window's size; `n_fft` by default.
        window: each frame is multiplied with it; ones by default.
        center: pad the signal, in `pad_mode`, so that window t is centered at t · hop_length.
        normalized: divide by √n_fft.
        onesided: only half of the spectrum; the default for a real signal and a real window.
        return_complex: return complex numbers, not pairs of real ones (deprecated).
        align_to_window: False, without `center`: zero-pad so that the first window starts at 0.

    Shape:
        (…, length) to (…, frequencies, windows).

    Raises:
        RuntimeError: the sizes do not fit each other.
    """
    need_tensor(input, "stft")
    hop = n_fft // 4 if hop_length is None else hop_length
    size = n_fft if win_length is None else win_length
    if window is None:
        warnings.warn(_NO_WINDOW, stacklevel=2)
    is_complex = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    if return_complex is None:
        if not is_complex:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will "
                "further require that return_complex=True in a future PyTorch release."
            )
        return_complex = True
    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false.")
    if input.dtype.category < dtypes.FLOAT:
        raise RuntimeError("stft: expected a tensor of floating point or complex values")
    if input.ndim not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, got {input.ndim} dimensions")
    x = input if input.ndim == 2 else input.unsqueeze(0)
    if center or not (align_to_window is None or align_to_window):
        gap = n_fft // 2 if center else (n_fft - size) // 2
        x = _edges(x, gap, pad_mode if center else "constant")
    _check(x, n_fft, hop, size, window, "stft")
    if onesided is None:
        onesided = not is_complex
    if onesided and is_complex:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    frames = x.unfold(-1, n_fft, hop)
    placed = _centered(window, size, n_fft, x)
    frames = frames if placed is None else frames * placed
    transform = fourier.rfft if onesided else fourier.fft
    result = transform(frames, norm="ortho" if normalized else None).transpose(-1, -2)
    result = result if input.ndim == 2 else result.squeeze(0)
    return result if return_complex else view_as_real(result)


def _edges(x: Tensor, gap: int, mode: str) -> Tensor:
    return pad(x.unsqueeze(1), (gap, gap), mode).squeeze(1)


def _check(x: Tensor, n_fft: int, hop: int, size: int, window: Any, name: str) -> None:
    length = x._data.shape[-1]
    if name == "stft" and not 0 < n_fft <= length:
        raise RuntimeError(f"{name}: expected 0 < n_fft < {length}, but got n_fft={n_fft}")
    if hop <= 0:
        raise RuntimeError(f"{name}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < size <= n_fft:
        raise RuntimeError(f"{name}: expected 0 < win_length <= n_fft, but got win_length={size}")
    if window is not None and tuple(window.shape) != (size,):
        raise RuntimeError(
            f"{name}: expected a 1D window tensor of size equal to win_length={size}, but got "
            f"window with size {list(window.shape)}"
        )
    if window is not None and window._device is not x._device:
        raise RuntimeError(
            f"{name} input and window must be on the same device but got self on {x._device} and "
            f"window on {window._device}"
        )


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal whose `stft` is the input: frames are summed where they overlap.

    The arguments are those of `stft`; `length` crops or zero-pads the result.

    Raises:
        RuntimeError: the input is not complex, the sizes do not fit, or the windows leave gaps.
    """
    need_tensor(input, "istft")
    hop = n_fft // 4 if hop_length is None else hop_length
    size = n_fft if win_length is None else win_length
    if window is None:
        warnings.warn(_NO_WINDOW, stacklevel=2)
    if not input.dtype.is_complex:
        raise RuntimeError(
            "istft requires a complex-valued input tensor matching the output from stft with "
            "return_complex=True."
        )
    if not input.numel():
        raise RuntimeError("istft: input tensor cannot be empty.")
    if input.ndim not in (2, 3):
        raise RuntimeError(f"istft: expected a tensor with 2 or 3 dimensions, but got {input.ndim}")
    x = (input if input.ndim == 3 else input.unsqueeze(0)).transpose(1, 2)
    bins = x._data.shape[-1]
    onesided = bins != n_fft if onesided is None else onesided
    wanted = n_fft // 2 + 1 if onesided else n_fft
    if bins != wanted:
        raise RuntimeError(
            "istft: expected the frequency dimension (3rd to the last) of the input tensor to "
            f"match n_fft {'/ 2 + 1 ' if onesided else ''}when onesided={onesided}, but got {bins}"
        )
    _check(x, n_fft, hop, size, window, "istft")
    if hop > size:
        raise RuntimeError("istft: expected 0 < hop_length <= win_length")
    if return_complex and onesided:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    if not return_complex and window is not None and window.dtype.is_complex:
        raise RuntimeError("Complex windows are incompatible with return_complex=False")
    norm = "ortho" if normalized else None
    if return_complex:
        frames = fourier.ifft(x, norm=norm)
    elif onesided:
        frames = fourier.irfft(x, n=n_fft, norm=norm)
    else:
        frames = fourier.irfft(x[..., : n_fft // 2 + 1], n=n_fft, norm=norm)
    placed = _centered(window, size, n_fft, x)
    if placed is None:
        placed = creation.ones(n_fft, dtype=x.dtype.to_real(), device=x._device)
    y = _overlap_add(frames * placed, hop)
    weight = _overlap_add((placed * placed).expand(frames._data.shape[1:]).unsqueeze(0), hop)
    result = _cut(y, weight, n_fft // 2 if center else 0, length, n_fft if center else 0)
    return result if input.ndim == 3 else result.squeeze(0)


def _overlap_add(frames: Tensor, hop: int) -> Tensor:
    """Frames (batch, count, size) summed, each `hop` samples after the one before."""
    batch, count, size = frames._data.shape
    total = size + hop * (count - 1)
    on = frames._device
    starts = creation.arange(count, device=on).unsqueeze(1) * hop
    index = (starts + creation.arange(size, device=on)).reshape(-1)
    zeros = creation.zeros(batch, total, dtype=frames.dtype, device=on)
    return zeros.index_add(1, index, frames.reshape(batch, -1))


def _cut(y: Tensor, weight: Tensor, start: int, length: int | None, padding: int) -> Tensor:
    total = y._data.shape[-1]
    end = total - (padding - start) if length is None else min(start + length, total)
    y, weight = y[:, start:end], weight[:, start:end]
    lowest = weight.abs().amin() if weight.numel() else None
    if lowest is not None and float(lowest) < 1e-11:
        raise RuntimeError("istft: window overlap add min: 1")
    y = y / weight
    missing = 0 if length is None else length - y._data.shape[-1]
    if missing > 0:
        warnings.warn(
            "The length of signal is shorter than the length parameter. Result is being padded "
            "with zeros in the tail. Please check your center and hop_length settings.",
            stacklevel=3,
        )
        y = constant_pad(y, ((0, 0), (0, missing)), 0.0)
    return y


# ---- window functions


def _taper(name: str, length: int, periodic: bool, options: dict[str, Any], shape: Any) -> Tensor:
    """`shape` evaluated at points from 0 to 1 along the window (1 excluded if `periodic`).

    Args:
        options: dtype, device and the other options of creation functions.
    """
    dt: dtype = options.pop("dtype", None) or dtypes.get_default_dtype()
    device, requires_grad = options.pop("device", None), options.pop("requires_grad", False)
    creation.options(options, name)
    if not dt.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dt!r}")
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    if length < 2:
        window = creation.ones(length, dtype=dtypes.float64, device=device)
    else:
        steps = length if periodic else length - 1
        points = creation.arange(length, dtype=dtypes.float64, device=device)
        window = shape(points / steps)
    return creation.leaf(to_dtype(window, dt), requires_grad)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    **options: Any,
) -> Tensor:
    """α − β cos(2πx)."""
    return _taper(
        "hamming_window",
        window_length,
        periodic,
        options,
        lambda x: alpha - beta * (x * (2 * math.pi)).cos(),
    )


def hann_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """½ − ½ cos(2πx)."""

    def shape(x: Tensor) -> Tensor:
        return 0.5 - 0.5 * (x * (2 * math.pi)).cos()

    return _taper("hann_window", window_length, periodic, options, shape)


def blackman_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """0.42 − ½ cos(2πx) + 0.08 cos(4πx)."""

    def shape(x: Tensor) -> Tensor:
        return 0.42 - 0.5 * (x * (2 * math.pi)).cos() + 0.08 * (x * (4 * math.pi)).cos()

    return _taper("blackman_window", window_length, periodic, options, shape)


def bartlett_window(window_length: int, periodic: bool = True, **options: Any) -> Tensor:
    """1 − |2x − 1|: a triangle."""
    return _taper(
        "bartlett_window", window_length, periodic, options, lambda x: 1 - (2 * x - 1).abs()
    )


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, **options: Any
) -> Tensor:
    """I₀(β √(1 − (2x − 1)²)) / I₀(β)."""

    def shape(x: Tensor) -> Tensor:
        inner = (1 - (2 * x - 1).square()).clamp(min=0).sqrt()
        top = bessel.i0(inner * beta)
        return top / bessel.i0(creation.full_like(top, beta))

    return _taper("kaiser_window", window_length, periodic, options, shape)
