"""The files of an op, and which of them were saved."""

import os
import re

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def ops(root):
    """The ops of a checkout, by their folders of kernels."""
    return sorted(folder.name for folder in (root / "shaders").iterdir() if any(folder.glob("*.metal")))


def kernels(root, op):
    return sorted((root / "shaders" / op).glob("*.metal"))


def of(root, op):
    """Every file that the op is made of: kernels, what they include, manifest, reference and NumPy twin."""
    found, todo = set(), kernels(root, op)
    while todo:
        path = todo.pop()
        if path.is_file() and path not in found:
            found.add(path)
            todo += [(path.parent / name).resolve() for name in _INCLUDE.findall(_read(path))]
    return {*found, root / "manifest.yaml", root / "loader/reference.py", root / f"tests/numpy_ops/{op}.py"}


def _read(path):
    """The text of a file; an editor may be replacing it just now."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def snapshot(root, op):
    """When each file of the op was last written, by its path from `root`; one that is not there is left out."""
    when = {path: _written(path) for path in of(root, op)}
    return {os.path.relpath(path, root): time for path, time in when.items() if time is not None}


def _written(path):
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def changed(before, now):
    """The files that are new or were written since; a file that disappeared counts when it returns."""
    return sorted(path for path, when in now.items() if before.get(path) != when)
