"""Models from a local folder, and files from the network."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import sys
import tempfile
import urllib.request
import zipfile
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from xptorch import serialization

__all__ = [
    *("download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url"),
    "set_dir",
]
_HASH = re.compile(r"-([a-f0-9]*)\.")
_dir: str | None = None


def get_dir() -> str:
    """The folder of downloads: ``$TORCH_HOME/hub``, in ~/.cache/torch by default."""
    if _dir is not None:
        return _dir
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return os.path.join(os.path.expanduser(home), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Set the folder of downloads."""
    global _dir
    _dir = os.path.expanduser(d)


def _hubconf(folder: Any, source: str) -> Any:
    """The module `hubconf` of a repository's folder."""
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "github":
        raise NotImplementedError(
            'hub: repositories are not downloaded; clone it, and load it with source="local"'
        )
    folder = os.path.expanduser(os.fspath(folder))
    spec = importlib.util.spec_from_file_location("hubconf", os.path.join(folder, "hubconf.py"))
    if spec is None or spec.loader is None or not os.path.exists(str(spec.origin)):
        raise FileNotFoundError(f"hub: there is no hubconf.py in {folder}")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    missing = [
        name
        for name in getattr(module, "dependencies", ())
        if importlib.util.find_spec(name) is None
    ]
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _entry(module: Any, name: Any) -> Any:
    if not isinstance(name, str):
        raise ValueError("Invalid input: model should be a string of function name")
    found = getattr(module, name, None)
    if not callable(found):
        raise RuntimeError(f"Cannot find callable {name} in hubconf")
    return found


def load(
    repo_or_dir: Any,
    model: str,
    *args: Any,
    source: str = "github",
    trust_repo: Any = "check",
    force_reload: bool = False,
    verbose: bool = True,
    skip_validation: bool = False,
    **kwargs: Any,
) -> Any:
    """The result of the function `model` in a repository's hubconf.py.

    Args:
        repo_or_dir: the repository's folder.
        model: the function's name.
        args: its arguments.
        source: "local"; PyTorch's default, "github", is not supported.
        trust_repo, force_reload, verbose, skip_validation: about downloads.
        kwargs: the function's arguments by name.

    Raises:
        NotImplementedError: `source` is "github".
        RuntimeError: there is no such function, or packages that it needs are missing.
    """
    return _entry(_hubconf(repo_or_dir, source), model)(*args, **kwargs)


def list(
    github: Any,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = "check",
    verbose: bool = True,
    *,
    source: str = "github",
) -> Any:
    """The functions of a repository's hubconf.py."""
    found = vars(_hubconf(github, source)).items()
    return [name for name, value in found if callable(value) and not name.startswith("_")]


def help(
    github: Any,
    model: str,
    force_reload: bool = False,
    skip_validation: bool = False,
    trust_repo: Any = "check",
    *,
    source: str = "github",
) -> str | None:
    """The docstring of a function of a repository's hubconf.py."""
    doc: str | None = _entry(_hubconf(github, source), model).__doc__
    return doc


def download_url_to_file(
    url: str, dst: str | os.PathLike[str], hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Download a file; it appears at `dst` only once it is complete and its hash is verified.

    Args:
        url: its address.
        dst: where to put it.
        hash_prefix: the first digits of its SHA-256 hash.
        progress: show a bar, where tqdm is installed.

    Raises:
        RuntimeError: the hash differs.
    """
    target = os.path.expanduser(os.fspath(dst))
    request = urllib.request.Request(url, headers={"User-Agent": "torch.hub"})
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(target) or ".", delete=False) as part:
        try:
            with urllib.request.urlopen(request) as source:
                length = source.headers.get("Content-Length")
                with _bar(progress, int(length) if length else None) as bar:
                    while piece := source.read(1 << 17):
                        part.write(piece)
                        digest.update(piece)
                        bar.update(len(piece)) if bar is not None else None
            found = digest.hexdigest()
            if hash_prefix is not None and not found.startswith(hash_prefix):
                raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{found}")')
            part.close()
            shutil.move(part.name, target)
        finally:
            Path(part.name).unlink(missing_ok=True)


def _bar(shown: bool, total: int | None) -> Any:
    if shown:
        with suppress(ImportError):
            from tqdm import tqdm

            return tqdm(total=total, unit="B", unit_scale=True, unit_divisor=1024)
    return nullcontext()


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = False,
) -> Any:
    """Download a file unless it is there, and load it.

    Args:
        url: its address.
        model_dir: the folder for it, by default ``get_dir()/checkpoints``.
        map_location: see `load`.
        progress: see `download_url_to_file`.
        check_hash: compare the file's hash with the one in its name (name-<hash>.pt).
        file_name: its name in the folder, by default that in the address.
        weights_only: see `load`.
    """
    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        print(f'Downloading: "{url}" to {path}', file=sys.stderr)
        found = _HASH.search(name) if check_hash else None
        download_url_to_file(url, path, found.group(1) if found else None, progress)
    if zipfile.is_zipfile(path) and _holds_one_file(path):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
            path = os.path.join(folder, archive.namelist()[0])
    return serialization.load(path, map_location=map_location, weights_only=weights_only)


def _holds_one_file(path: str) -> bool:
    """Whether a zip file contains a checkpoint, rather than being a checkpoint of that format."""
    with zipfile.ZipFile(path) as archive:
        return len(archive.namelist()) == 1
