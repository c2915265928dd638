"""Which files make an op, and which of them were saved."""

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
            included = _INCLUDE.findall(path.read_text(encoding="utf-8"))
            todo += [(path.parent / name).resolve() for name in included]
    return {*found, root / "manifest.yaml", root / "loader/reference.py", root / f"tests/numpy_ops/{op}.py"}


def snapshot(root, op):
    """When each file of the op was last written, by its path from `root`; one that is not there is left out."""
    return {path.relative_to(root).as_posix(): path.stat().st_mtime_ns for path in of(root, op) if path.is_file()}


def changed(before, now):
    """The files that are new or were written since; one that went away counts when it is back."""
    return sorted(path for path, when in now.items() if before.get(path) != when)
