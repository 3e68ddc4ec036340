"""Losses in a file of the user's: ``my_losses.py:wing``.

The file runs once per version of it, as a module of its own. What lies beside it can be imported
while it runs, absolutely or relatively, and does not get in the way of other files' neighbours.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from lossctl.errors import CustomLossError, FileError, UsageError, did_you_mean
from lossctl.losses.core.declaration import Loss
from lossctl.losses.core.names import fold
from lossctl.losses.custom.attribution import LOADED, CodeOrigin, loading

REFERENCE = re.compile(r"(?s)(.+\.py)(?::(.*))?")


@dataclass(frozen=True, slots=True)
class _File:
    """A file that has run: what it said then, and what came of it."""

    source: bytes
    module: ModuleType
    losses: dict[str, Loss]


_LOCK = threading.RLock()
_LOADED: dict[Path, _File] = {}


def split_reference(text: str) -> tuple[str, str | None] | None:
    """Split ``FILE.py:NAME``; the name is None if there is none, all None if it is no file."""
    found = REFERENCE.fullmatch(text)
    return None if found is None else (found[1], found[2])


def find_in_file(path: str, name: str | None) -> Loss:
    """Return the loss of that name in a file. Raises UsageError with what the file has."""
    losses = load_file(path)
    if not name:
        first = next(iter(losses.values()))
        raise UsageError(
            f"{path} has several losses, and none is named",
            f"Name one: {path}:{_bare(first)}. 'lossctl list {path}' shows all.",
        )
    wanted = fold(name)
    for loss in losses.values():
        if wanted in [fold(one) for one in (_bare(loss), *loss.aliases)]:
            return loss
    known = [_bare(one) for one in losses.values()]
    raise UsageError(f"{path} has no loss named {name!r}", did_you_mean(name, known))


def load_file(path: str) -> dict[str, Loss]:
    """Return the losses that a Python file declares, by key.

    Raises FileError if it cannot be read, and CustomLossError for what is wrong inside.
    """
    place = Path(path).expanduser()
    try:
        source = place.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}", "Give the path of a Python file.") from error
    with _LOCK:
        whole = place.resolve()
        known = _LOADED.get(whole)
        if known is None or known.source != source:
            if known is not None:
                _forget(known.module)
            module = _run(whole, source)
            try:
                known = _LOADED[whole] = _File(source, module, collect(module, path))
            except CustomLossError:
                _forget(module)
                raise
        return known.losses


def _forget(module: ModuleType) -> None:
    """Drop the module of a file from the interpreter's, and its relative neighbours."""
    package = module.__name__.partition(".")[0]
    for name in [one for one in sys.modules if one.partition(".")[0] == package]:
        del sys.modules[name]


def collect(module: ModuleType, path: str) -> dict[str, Loss]:
    """Return the losses among the names of a module, by key."""
    found: dict[str, Loss] = {}
    for value in vars(module).values():
        if isinstance(value, Loss) and value.origin is not None:
            other = found.setdefault(value.key, value)
            if other is not value:
                raise CustomLossError(
                    f"{path} declares two losses named {_bare(value)!r}", "Rename one of them."
                )
    if not found:
        raise CustomLossError(
            f"{path} declares no loss",
            "A loss is a function decorated with @lossctl.loss('name', inputs=...).",
        )
    return found


def _bare(loss: Loss) -> str:
    return re.split(r"[:.]", loss.key)[-1]


def _run(path: Path, source: bytes) -> ModuleType:
    """Run a file as a module of a package that is its directory."""
    version = hashlib.sha256(str(path).encode() + b"\0" + source).hexdigest()[:12]
    package_name = f"{LOADED}{version}"
    name = f"{package_name}.{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}"
    origin = CodeOrigin(name, str(path))
    loader = SourceFileLoader(name, str(path))
    with _neighbours(path.parent), loading(origin):
        package = _make_package(package_name, path.parent)
        spec = importlib.util.spec_from_file_location(name, path, loader=loader)
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        # Not loader.exec_module: its cache takes an edit of the same second and size for none.
        code = loader.source_to_code(source, str(path))
        sys.modules[package_name], sys.modules[name] = package, module
        try:
            exec(code, module.__dict__)  # noqa: S102 - what the user asked for
        except BaseException:
            del sys.modules[package_name], sys.modules[name]
            raise
    return module


def _make_package(name: str, directory: Path) -> ModuleType:
    """Return a package for relative imports; no ``__init__.py`` of the directory runs."""
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(directory)]
    return importlib.util.module_from_spec(spec)


@contextlib.contextmanager
def _neighbours(directory: Path) -> Iterator[None]:
    """Let the files of a directory be imported, and forget them afterwards.

    Another directory may have files of the same names.
    """
    place = str(directory)
    if place in sys.path or (place == str(Path.cwd()) and "" in sys.path):
        yield
        return
    before = set(sys.modules)
    sys.path.insert(0, place)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the file may have changed the path itself
            sys.path.remove(place)
        for name in set(sys.modules) - before:
            top: Any = sys.modules.get(name.partition(".")[0])
            if not name.startswith(LOADED) and _lies_in(top, directory):
                del sys.modules[name]


def _lies_in(module: Any, directory: Path) -> bool:
    file = getattr(module, "__file__", None)
    folders = list(getattr(module, "__path__", [])) or [file or ""]
    return any(Path(one).parent == directory for one in folders if one)
