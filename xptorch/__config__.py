"""The build configuration of this installation: none, as it calls array libraries."""

from __future__ import annotations


def show() -> str:
    """A few lines on the versions in use."""
    import sys
    from importlib import metadata

    from xptorch import version

    lines = [f"  - xptorch {version.__version__}, in Python {sys.version.split()[0]}"]
    for name in ("numpy", "array-api-compat", "cupy"):
        try:
            lines.append(f"  - {name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return "\n".join(["PyTorch's API on array libraries:", *lines, ""])


def parallel_info() -> str:
    """The number of CPUs available for threads."""
    import os

    return f"CPUs: {os.cpu_count()}\n"
