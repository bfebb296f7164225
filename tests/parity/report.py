"""Print how XPTorch compares with PyTorch, name by name: `python -m tests.parity.report`.

--ops add,nn.functional.relu   only these (a name, or a full name with its variant)
--modules, --optimizers        modules or optimizers in place of ops
--verbose                      everything found, not only the first of each name
--samples 40                   more samples of each dtype
--dtypes complex64,int8        of ops: these dtypes in place of the usual ones
--absent                       list the names that XPTorch does not have
-j 2                           processes
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

warnings.simplefilter("ignore")

from tests.parity import _modules, _ops, _optimizers  # noqa: E402
from tests.parity._compare import Findings, brief  # noqa: E402
from tests.parity._gaps import explain  # noqa: E402

FAMILIES: dict[str, Any] = {"ops": _ops, "modules": _modules, "optimizers": _optimizers}


def judge(family: str, options: dict[str, Any], index: int) -> tuple[str, Findings]:
    """Check the entry at an index of its database."""
    home = FAMILIES[family]
    info = home.database[index]
    try:
        return home.full_name(info), home.check(info, **options)
    except Exception as error:
        findings = Findings()
        findings.add("wrong", "harness", brief(error))
        return home.full_name(info), findings


def verdict(name: str, findings: Findings) -> str:
    """pass, known (all of it explained in the table of gaps), missing or wrong."""
    unexplained, _ = explain(name, findings.found)
    kinds = {f.kind for f in unexplained}
    if not kinds:
        return "known" if findings.found else "pass"
    return "wrong" if "wrong" in kinds else "missing"


def show(name: str, findings: Findings, verbose: bool) -> str:
    """Print one name's line, and what was found; returns the verdict."""
    result = verdict(name, findings)
    listed = list(findings.distinct())
    listed.sort(key=lambda f: f.kind == "missing")
    if result != "pass" or verbose:
        print(f"{result:8}{name}  ({findings.passed} passed, {len(findings.found)} not)")
    for f in listed if verbose else listed[: result in ("wrong", "missing")]:
        print(f"        {f}")
    return result


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--ops", default="")
    parser.add_argument("--modules", nargs="?", const="", default=None)
    parser.add_argument("--optimizers", nargs="?", const="", default=None)
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--absent", action="store_true")
    parser.add_argument("--samples", type=int)
    parser.add_argument("--dtypes", default="")
    parser.add_argument("-j", type=int, default=1)
    return parser.parse_args()


def chosen(home: Any, names: str) -> tuple[list[int], list[str]]:
    """Indices of the entries to check, and the names that XPTorch lacks."""
    wanted = set(filter(None, names.split(",")))
    present, absent = [], []
    for i, info in enumerate(home.database):
        full = home.full_name(info)
        if wanted and not wanted & {full, info.name}:
            continue
        if home.exists(info):
            present.append(i)
        else:
            absent.append(full)
    return present, absent


def main() -> int:
    asked = options()
    family, names = "ops", asked.ops
    for other in ("modules", "optimizers"):
        if getattr(asked, other) is not None:
            family, names = other, getattr(asked, other)
    indices, absent = chosen(FAMILIES[family], names)
    settings: dict[str, Any] = {"limit": asked.samples} if asked.samples else {}
    if asked.dtypes:
        settings["dtypes"] = tuple(asked.dtypes.split(","))
    work: Callable[[int], tuple[str, Findings]] = partial(judge, family, settings)
    counts: Counter[str] = Counter()
    with multiprocessing.get_context("fork").Pool(asked.j) as pool:
        results = pool.imap(work, indices, chunksize=4) if asked.j > 1 else map(work, indices)
        for name, findings in results:
            counts[show(name, findings, asked.verbose)] += 1
            sys.stdout.flush()
    if asked.absent:
        print("absent:", " ".join(absent))
    print(", ".join(f"{counts[k]} {k}" for k in ("pass", "known", "missing", "wrong")), end=", ")
    print(f"{len(absent)} absent")
    return int(counts["wrong"] > 0)


if __name__ == "__main__":
    raise SystemExit(main())
