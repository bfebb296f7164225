"""Forecast a chaotic series with an LSTM, on any array library.

    python examples/lstm_series.py                       # NumPy, or what XPTORCH_BACKEND names
    python examples/lstm_series.py --backend cupy        # an NVIDIA GPU

The series is not measured but generated: the Mackey-Glass equation, which describes the number of
blood cells, is chaotic: slightly different runs soon diverge. The net is trained on the first 2,000
samples to predict each from those before it. Then it forecasts the series from unseen positions,
each forecast fed back as the next input. The program prints its errors beside those of the guess
that nothing changes, and draws losses and forecasts into --out as lstm_series.png. Ctrl-C ends the
training early; the rest still follows.
It needs: pip install "xptorch[examples]"
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import launch, missing

import xptorch as torch
from xptorch import nn

try:
    from matplotlib.figure import Figure
    from tqdm import tqdm
except ImportError as error:
    missing(error)

KNOWN, UNSEEN = 2_000, 600  # samples to learn from, and to forecast


class Forecaster(nn.Module):
    """An LSTM that reads a series and predicts the change to the next sample at each step."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.change = nn.Linear(hidden, 1)

    def forward(self, series: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        """(n, l, 1) and the state before it -> the next samples, and the state after them."""
        hidden, state = self.lstm(series, state)
        return series + self.change(hidden), state


def mackey_glass(count: int, delay: int = 17, fine: int = 10) -> np.ndarray:
    """x' = 0.2 x(t - delay) / (1 + x(t - delay)^10) - 0.1 x, as (count, 1) float32 around 0."""
    lag, skipped = delay * fine, 200
    x = [1.2] * (lag + 1)
    for _ in range((count + skipped) * fine):  # Euler's method; the transient is discarded
        late = x[-lag - 1]
        x.append(x[-1] + (0.2 * late / (1 + late**10) - 0.1 * x[-1]) / fine)
    series = np.asarray(x[-count * fine :: fine])
    return ((series - series.mean()) / series.std()).astype(np.float32)[:, None]


def train(net: Forecaster, known: torch.Tensor, args: argparse.Namespace) -> list[float]:
    """Train on random windows; return the loss of each step, fewer after Ctrl-C."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, args.steps)
    losses: list[float] = []
    bar = tqdm(range(args.steps), unit="step", disable=None)
    try:
        for step in bar:
            starts = torch.randint(0, len(known) - args.window, (args.batch_size,)).tolist()
            windows = torch.stack([known[s : s + args.window + 1] for s in starts])
            forecast, _ = net(windows[:, :-1])
            loss = nn.functional.mse_loss(forecast, windows[:, 1:])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if step % 20 == 0:
                bar.set_postfix(loss=f"{losses[-1]:.4f}")
    except KeyboardInterrupt:
        print(f"Interrupted after {len(losses)} steps: drawing what there is.")
    return losses


@torch.no_grad()
def go_on(net: Forecaster, series: torch.Tensor, count: int) -> np.ndarray:
    """Read a series and forecast the next `count` samples, each from the forecast before it."""
    forecast, state = net(series.unsqueeze(0))
    steps = [forecast[:, -1:]]
    for _ in range(count - 1):
        forecast, state = net(steps[-1], state)
        steps.append(forecast)
    return torch.cat(steps, 1)[0, :, 0].cpu().numpy()


def draw(path: Path, losses: list[float], series: np.ndarray, forecasts: dict[int, Any]) -> None:
    """Draw the losses, the forecasts over the series, and how their error grows."""
    figure: Any = Figure(figsize=(14, 6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 2))
    axes = figure.add_subplot(grid[0, 0])
    axes.semilogy(losses, linewidth=0.8)
    axes.set(title="Training", xlabel="step", ylabel="mean square error")
    axes.grid(alpha=0.3)
    _draw_growth(figure.add_subplot(grid[1, 0]), series, forecasts)
    _draw_forecasts(figure.add_subplot(grid[:, 1]), series, forecasts)
    figure.savefig(path, dpi=120)


def _draw_growth(axes: Any, series: np.ndarray, forecasts: dict[int, Any]) -> None:
    for name, size in growth(series, forecasts).items():
        axes.semilogy(np.arange(1, len(size) + 1), size, label=name)
    axes.set(title="Forecasts", xlabel="samples ahead", ylabel="root mean square error")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _draw_forecasts(axes: Any, series: np.ndarray, forecasts: dict[int, Any]) -> None:
    """A few forecasts, one below the other."""
    for row, (start, forecast) in enumerate(list(forecasts.items())[:4]):
        times, shift = np.arange(start - 50, start + len(forecast)), -6 * row
        label = "the series" if row == 0 else None
        axes.plot(times - start, series[times, 0] + shift, "0.6", linewidth=3, label=label)
        label = "forecast" if row == 0 else None
        axes.plot(np.arange(len(forecast)), forecast + shift, "tab:red", label=label)
    axes.axvline(0, color="k", linewidth=0.8, linestyle=":")
    axes.set(title="Forecasts from four places (left of 0 is known)", xlabel="samples ahead")
    axes.set_yticks([])
    axes.set_ylim(top=5)  # room for the legend
    axes.legend(loc="upper left", ncols=2)


def growth(series: np.ndarray, forecasts: dict[int, Any]) -> dict[str, np.ndarray]:
    """Errors by the number of samples ahead, over all forecasts."""
    ahead = len(next(iter(forecasts.values())))
    truth = np.stack([series[s : s + ahead, 0] for s in forecasts])
    still = np.stack([series[s - 1] for s in forecasts])
    guesses = {"LSTM": np.stack(list(forecasts.values())), "nothing changes": still}
    return {name: np.sqrt(((guess - truth) ** 2).mean(0)) for name, guess in guesses.items()}


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Forecast a chaotic series with an LSTM.")
    parser.add_argument("--backend", help="numpy, cupy, array_api_strict, torch, ...")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--window", type=int, default=100, help="samples read at a time")
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--lr", type=float, default=5e-3)
    parser.add_argument("--ahead", type=int, default=200, help="samples of each forecast")
    parser.add_argument("--forecasts", type=int, default=12, help="places to forecast from")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture")
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    """Train, measure, forecast, draw; return the exit status."""
    device = torch.get_default_device()
    args.out.mkdir(parents=True, exist_ok=True)
    series = mackey_glass(KNOWN + UNSEEN)
    print(
        f"Mackey-Glass series: {KNOWN:,} samples to learn from, {UNSEEN} to forecast; on {device}"
    )
    torch.manual_seed(args.seed)
    net = Forecaster(args.hidden).to(device)
    print(net)
    data = torch.from_numpy(series).to(device)
    start = time.perf_counter()
    losses = train(net, data[:KNOWN], args)
    seconds = time.perf_counter() - start
    net.eval()
    starts = np.linspace(KNOWN, len(series) - args.ahead, args.forecasts).astype(int).tolist()
    forecasts = {s: go_on(net, data[:s], args.ahead) for s in starts}
    mine, still = growth(series, forecasts).values()
    for ahead in (1, args.ahead // 4, args.ahead):
        text = f"{mine[ahead - 1]:.4f} (nothing changes: {still[ahead - 1]:.4f})"
        print(f"error {ahead:3d} samples ahead {text}")
    print(f"trained for {seconds:.1f} s")
    picture = args.out / "lstm_series.png"
    draw(picture, losses, series, forecasts)
    print(f"saved {picture}")
    return 0 if len(losses) == args.steps else 130


if __name__ == "__main__":
    launch(run, parse())
