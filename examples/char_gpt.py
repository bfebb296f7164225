"""Train a small GPT to write Python's documentation, letter by letter, on any array library.

    python examples/char_gpt.py                          # NumPy, or what XPTORCH_BACKEND names
    python examples/char_gpt.py --backend cupy --steps 3000 --width 256 --layers 6

The text is what `help()` shows of the language: 450,000 letters that come with Python. The net
predicts each letter from those before it. The program prints the loss on unseen text, generates a
text that continues --prompt, and draws the losses into --out as char_gpt.png. Ctrl-C ends the
training early; the text and the picture still follow. More steps give better English.
It needs: pip install "xptorch[examples]"
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

from _common import launch, missing

import xptorch as torch
from xptorch import nn

try:
    from matplotlib.figure import Figure
    from tqdm import tqdm
except ImportError as error:
    missing(error)


class GPT(nn.Module):
    """Letters -> scores of the next letter at each position, from the letters up to it."""

    def __init__(self, letters: int, context: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.context = context
        self.letter = nn.Embedding(letters, width)
        self.place = nn.Embedding(context, width)
        block = nn.TransformerEncoderLayer(
            *(width, heads, 4 * width),
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        norm = nn.LayerNorm(width)
        self.blocks = nn.TransformerEncoder(block, layers, norm, enable_nested_tensor=False)
        self.scores = nn.Linear(width, letters)
        for table in (self.letter, self.place):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """(n, l) letters -> (n, l, letters)."""
        length = text.shape[1]
        x = self.letter(text) + self.place(torch.arange(length, device=text.device))
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=text.device)
        return self.scores(self.blocks(x, mask=mask, is_causal=True))


class Text:
    """A text as integers, one for each letter: most of it to train on, the end to test on."""

    def __init__(self, text: str, device: torch.device) -> None:
        self.alphabet = sorted(set(text))
        self.number = {letter: i for i, letter in enumerate(self.alphabet)}
        numbers = self.encode(text).to(device)
        self.train, self.test = numbers[: len(text) * 9 // 10], numbers[len(text) * 9 // 10 :]

    def encode(self, text: str) -> torch.Tensor:
        return torch.tensor([self.number[letter] for letter in text])

    def decode(self, numbers: list[int]) -> str:
        return "".join(self.alphabet[i] for i in numbers)


def batch(numbers: torch.Tensor, count: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random pieces of the text, and the letter that follows each of their letters."""
    starts = torch.randint(0, len(numbers) - length, (count,)).tolist()
    pieces = torch.stack([numbers[s : s + length + 1] for s in starts])
    return pieces[:, :-1], pieces[:, 1:]


def loss_of(net: GPT, texts: torch.Tensor, following: torch.Tensor) -> torch.Tensor:
    """The mean cross entropy of the next letters."""
    return nn.functional.cross_entropy(net(texts).flatten(0, 1), following.flatten())


@torch.no_grad()
def unseen_loss(net: GPT, text: Text) -> float:
    """The loss on text that the net has not seen."""
    losses = [loss_of(net, *batch(text.test, 16, net.context)).item() for _ in range(4)]
    return sum(losses) / len(losses)


def train(net: GPT, text: Text, args: argparse.Namespace) -> tuple[list[float], dict[int, float]]:
    """Return the loss of each step, and those on unseen text; fewer of both after Ctrl-C."""
    optimizer = torch.optim.AdamW(net.parameters(), lr=args.lr, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, args.steps, pct_start=0.1)
    losses: list[float] = []
    tests = {0: unseen_loss(net, text)}
    every = max(args.steps // 10, 1)
    try:
        for step in (bar := tqdm(range(1, args.steps + 1), unit="step", disable=None)):
            loss = loss_of(net, *batch(text.train, args.batch_size, net.context))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if step % every == 0:
                tests[step] = unseen_loss(net, text)
                bar.set_postfix(loss=f"{losses[-1]:.3f}", unseen=f"{tests[step]:.3f}")
                tqdm.write(f"step {step:4d}  loss {losses[-1]:.3f}  unseen {tests[step]:.3f}")
    except KeyboardInterrupt:
        print(f"Interrupted after {len(losses)} steps: going on with what there is.")
    return losses, tests


@torch.no_grad()
def write(net: GPT, start: torch.Tensor, count: int, temperature: float) -> list[int]:
    """Continue a text by `count` letters, each sampled from the net's prediction."""
    text = start.unsqueeze(0)
    for _ in range(count):
        scores = net(text[:, -net.context :])[:, -1] / temperature
        letter = torch.multinomial(scores.softmax(-1), 1)
        text = torch.cat([text, letter], 1)
    return text[0].tolist()


def draw(path: Path, losses: list[float], tests: dict[int, float], letters: int) -> None:
    """Draw the losses while training and on unseen text."""
    figure: Any = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(losses) + 1), losses, linewidth=0.8, label="training")
    axes.plot(list(tests), list(tests.values()), "o-", label="unseen text")
    guess = math.log(letters)
    axes.axhline(guess, color="k", linestyle=":", label="all letters alike")
    axes.set(title="A small GPT", xlabel="step", ylabel="cross entropy per letter")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Train a small GPT on Python's documentation.")
    parser.add_argument("--backend", help="numpy, cupy, array_api_strict, torch, ...")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--context", type=int, default=64, help="letters that the net looks at")
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--prompt", default="The with statement ")
    parser.add_argument("--letters", type=int, default=400, help="how long its own text is")
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture")
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    """Train, write, draw; return the exit status."""
    device = torch.get_default_device()
    args.out.mkdir(parents=True, exist_ok=True)
    text = Text("\n".join(topics.values()), device)
    if unknown := sorted(set(args.prompt) - set(text.alphabet)):
        sys.exit(f"The text has no {unknown}: choose another --prompt")
    torch.manual_seed(args.seed)
    net = GPT(len(text.alphabet), args.context, args.width, args.heads, args.layers).to(device)
    weights = sum(p.numel() for p in net.parameters())
    letters = f"{len(text.train):,} letters to train on, {len(text.test):,} unseen"
    print(f"{letters}; {weights:,} weights; on {device}")
    start = time.perf_counter()
    losses, tests = train(net, text, args)
    print(f"trained for {time.perf_counter() - start:.1f} s")
    net.eval()
    prompt = text.encode(args.prompt or "\n").to(device)
    print("----", text.decode(write(net, prompt, args.letters, args.temperature)), "----", sep="\n")
    picture = args.out / "char_gpt.png"
    draw(picture, losses, tests, len(text.alphabet))
    print(f"saved {picture}")
    return 0 if len(losses) == args.steps else 130


if __name__ == "__main__":
    launch(run, parse())
