"""Measure XPTorch, alone or against PyTorch: steps, layers, data, overhead, memory, import.

    python examples/benchmark.py                                   # XPTorch on NumPy
    python examples/benchmark.py --against torch --json table.json
    python examples/benchmark.py --device cuda --against torch --rows conv,norm
    python examples/benchmark.py --quick --rows linear --json -

Each library runs in a separate process, and the two take turns, one segment of a quarter of a
second each. In one process they would disturb each other: both keep threads that spin while idle,
and memory settings made by one speed up the other. Turns cancel slow drifts of the machine. A
segment reports the median of its calls; the table shows the median and minimum over segments. Peak
memory is the maximum that a process uses during three steps, beyond what the import used.

The rows are defined in _benchmark_rows.py. One that a library cannot run is skipped with a note.
Only the libraries are required; with threadpoolctl installed, the BLAS and its core are reported.
"""

from __future__ import annotations

import argparse
import importlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, TextIO

from _benchmark_rows import ROWS, Timed

BLOCK = 0.002  # seconds: shorter calls are timed several at once
IMPORTS = {
    "import beyond numpy's": "import {0}",
    "import and a first tensor beyond numpy's": "import {0}; {0}.zeros(1, device={1!r})",
}
TIME_OF = "import time, numpy; t = time.perf_counter()\n{}\nprint(time.perf_counter() - t)"
MEMORY = {"peak memory of a ResNet-20 step batch 128": "ResNet-20 step batch 128"}


PEAK_OF = """
import resource, sys
sys.path.insert(0, {0!r})
import {1} as torch
from benchmark import build
torch.zeros(1, device={2!r})
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in KiB on Linux
before, row = peak(), build(torch, {3!r}, {2!r})
for _ in range(3):
    row.step()
print((peak() - before) * 1024)
"""
HERE = str(Path(__file__).resolve().parent)


# ---- timing, in a separate process for each library


def block(call: Callable[[], Any], calls: int, synchronize: Callable[[], Any]) -> float:
    """Seconds per call of `calls` calls in a row."""
    synchronize()
    start = time.perf_counter()
    for _ in range(calls):
        call()
    synchronize()
    return (time.perf_counter() - start) / calls


def segment(row: Timed, seconds: float, synchronize: Callable[[], Any]) -> float:
    """The median time of a row, over at least three blocks and `seconds`."""
    time.sleep(0.03)  # by now the other library's idle threads have stopped spinning
    calls = max(1, round(BLOCK / block(row.step, 1, synchronize)))
    end = time.perf_counter() + seconds
    steps: list[float] = []
    baselines: list[float] = []
    while len(steps) < 3 or time.perf_counter() < end:
        steps.append(block(row.step, calls, synchronize))
        if row.baseline:
            baselines.append(block(row.baseline, calls, synchronize))
    return (median(steps) - (median(baselines) if baselines else 0)) / row.ops


def build(torch: Any, row: str, device: str) -> Timed:
    """Build a row on a device. It is the default only here: PyTorch's calls cost more under one."""
    torch.set_default_device(device)
    try:
        return ROWS[row](torch)
    finally:
        torch.set_default_device(None)


def worker(pipe: Any, library: str, device: str) -> None:
    """Answer (row, seconds) with the time of one segment or, as text, the reason there is none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and ends the worker
    try:
        torch = importlib.import_module(library)
        torch.zeros(1, device=device)
        synchronize = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
        onednn = "oneDNN" if torch.backends.mkldnn.is_available() else "no oneDNN"
        pipe.send(f"{library} {torch.__version__} on {device}; {onednn}, {blas()}")
    except (ImportError, RuntimeError, AssertionError) as error:
        pipe.send(RuntimeError(f"{library} cannot run on {device}: {error}"))
        return
    current, timed = "", Timed(lambda: None)
    for row, seconds in iter(pipe.recv, None):
        try:
            if row != current:
                timed, current = build(torch, row, device), row
                for _ in range(3):
                    timed.step()
            pipe.send(segment(timed, seconds, synchronize))
        except Exception as error:  # a failing row must not stop the others
            pipe.send(f"{type(error).__name__}: {error}")


def blas() -> str:
    """Name the linear algebra and thread libraries of this process, with cores and threads."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "BLAS unknown (pip install threadpoolctl)"
    keys = ("internal_api", "version", "architecture", "num_threads")
    pools = [" ".join(str(p[k]) for k in keys if p.get(k)) + " threads" for p in threadpool_info()]
    return ", ".join(pools) or "no BLAS known to threadpoolctl"


# ---- taking turns


class Library:
    """A library in a separate process, which times rows on request."""

    def __init__(self, name: str, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.name, self.device = name, device
        self.pipe, theirs = context.Pipe()
        context.Process(target=worker, args=(theirs, name, device), daemon=True).start()
        theirs.close()
        self.about = self._receive("to start")

    def _receive(self, what: str) -> Any:
        try:
            answer = self.pipe.recv()
        except EOFError:
            sys.exit(f"{self.name} failed {what}.")
        if isinstance(answer, Exception):
            sys.exit(str(answer))
        return answer

    def close(self) -> None:
        """End the process."""
        self.pipe.send(None)

    def segment(self, row: str, seconds: float) -> float | str:
        """The time of one segment of a row, or the reason there is none."""
        if row in IMPORTS:
            return self._alone(TIME_OF.format(IMPORTS[row].format(self.name, self.device)))
        if row in MEMORY:
            return self._alone(
                PEAK_OF.format(HERE, self.name, self.device, MEMORY[row], self.device)
            )
        self.pipe.send((row, seconds))
        answer: float | str = self._receive(f"in the row {row!r}")
        return answer

    def _alone(self, program: str) -> float | str:
        """The number that a program prints in a separate process, or its error."""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        return done.stderr.strip().splitlines()[-1] if done.returncode else float(done.stdout)


def measure(row: str, libraries: list[Library], args: argparse.Namespace) -> dict[str, Any]:
    """Let the libraries take turns at a row; return medians, minima and, for two, their ratios."""
    segments, seconds = (2, 0.05) if args.quick else (5, 0.25)
    segments = 1 if row in MEMORY else segments  # it hardly varies
    times: dict[str, list[float]] = {library.name: [] for library in libraries}
    result: dict[str, Any] = {"row": row}
    for turn in range(segments):
        for library in libraries[:: -1 if turn % 2 else 1]:
            time_or_note = library.segment(row, seconds)
            if isinstance(time_or_note, str):
                return result | {"note": f"skipped, {library.name}: {time_or_note}"}
            times[library.name].append(time_or_note)
    for name, values in times.items():
        result[name] = {"median": median(values), "min": min(values), "segments": values}
    if len(libraries) == 2:
        ours, theirs = (result[library.name] for library in libraries)
        result["ratio"] = {key: ours[key] / theirs[key] for key in ("median", "min")}
    return result


def text(row: str, value: float) -> str:
    """Format seconds, or bytes for a memory row, for the table."""
    if row in MEMORY:
        return f"{value / 2**20:8.1f} MiB"
    return f"{value * 1e3:9.2f} ms" if abs(value) >= 1e-3 else f"{value * 1e6:9.2f} us"


def line(result: dict[str, Any], names: list[str]) -> str:
    """A row of the table."""
    cells = [f"{result['row']:<52}"]
    if "note" in result:
        return f"{cells[0]}  {result['note']}"
    cells += [text(result["row"], result[name][key]) for name in names for key in ("median", "min")]
    if "ratio" in result:
        cells += [f"{result['ratio'][key]:7.2f}" for key in ("median", "min")]
    return "  ".join(cells)


def header(names: list[str]) -> str:
    """The head of the table."""
    titles = [f"{name} {key}".rjust(12) for name in names for key in ("median", "min")]
    if len(names) == 2:
        titles += ["  ratio", "of mins"]
    return "  ".join([" " * 52, *titles])


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure XPTorch, alone or against PyTorch.")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, or a backend's name")
    parser.add_argument("--against", metavar="LIBRARY", help="torch: measure both, in turns")
    parser.add_argument("--rows", default="", help="parts of the names of rows: conv,norm")
    parser.add_argument("--quick", action="store_true", help="shorter, fewer segments")
    parser.add_argument("--json", metavar="FILE", help="write the results; - for standard output")
    args = parser.parse_args()
    wanted = [part.strip().lower() for part in args.rows.split(",")]
    args.names = [
        r for r in (*ROWS, *MEMORY, *IMPORTS) if any(part in r.lower() for part in wanted)
    ]
    if not args.names:
        parser.error("no such row; the rows are:\n  " + "\n  ".join((*ROWS, *MEMORY, *IMPORTS)))
    return args


def main() -> None:
    """Measure the rows, print them as they finish, write the JSON file."""
    args = parse()
    out: TextIO = sys.stderr if args.json == "-" else sys.stdout
    libraries = [Library("xptorch", args.device)]
    if args.against:
        # PyTorch has no devices named after array libraries.
        device = args.device if args.device.startswith("cuda") else "cpu"
        libraries.append(Library(args.against, device))
    about = [library.about for library in libraries]
    pinned = os.environ.get("OPENBLAS_CORETYPE")
    if pinned:
        about.append(
            f"Warning: OPENBLAS_CORETYPE={pinned} pins NumPy's matrix products to that core's "
            "kernels, which may be slower than what OpenBLAS picks by itself."
        )
    names = [library.name for library in libraries]
    print(*about, header(names), sep="\n", file=out, flush=True)
    results = []
    for row in args.names:
        results.append(measure(row, libraries, args))
        print(line(results[-1], names), file=out, flush=True)
    for library in libraries:
        library.close()
    if args.json:
        text = json.dumps({"about": about, "rows": results}, indent=1)
        if args.json == "-":
            print(text)
        else:
            with open(args.json, "w", encoding="utf-8") as file:
                file.write(text + "\n")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
