"""Compiled programs on disk: found by content, bounded in size, safe among processes."""

import contextlib
import hashlib
import os
import threading
from pathlib import Path

# What the folder may hold before the programs longest unused go.
LIMIT = 256 * 2**20
_DIGEST = hashlib.sha256().digest_size


def folder():
    """Where compiled programs lie: LOADER_CACHE, or the user's cache folder."""
    base = os.environ.get("LOADER_CACHE")
    if base:
        return Path(base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "metal-recurrence" / "opencl"


def get(key):
    """The binary kept under `key`, or None where there is none, or a damaged one."""
    path = folder() / key
    try:
        content = path.read_bytes()
        os.utime(path)
    except OSError:
        return None
    digest, binary = content[:_DIGEST], content[_DIGEST:]
    return binary if hashlib.sha256(binary).digest() == digest else None


def put(key, binary):
    """Keep a binary; a folder that cannot be written only costs time."""
    path = folder() / key
    # Written aside and moved, so that no other process reads half of it.
    aside = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(hashlib.sha256(binary).digest() + binary)
        os.replace(aside, path)
        _shrink()
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()


def clear():
    """Remove every program kept."""
    for path, _ in _files():
        with contextlib.suppress(OSError):
            path.unlink()


def _shrink():
    """Remove the programs longest unused until the folder is within its limit."""
    files = _files()
    size = sum(stat.st_size for _, stat in files)
    for path, stat in sorted(files, key=lambda file: file[1].st_mtime):
        if size <= LIMIT:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        size -= stat.st_size


def _files():
    """(path, stat) of every file in the folder; others may remove them meanwhile."""
    files = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder()):
            with contextlib.suppress(OSError):
                files.append((Path(entry.path), entry.stat()))
    return files
