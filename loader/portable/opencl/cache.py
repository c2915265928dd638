"""Compiled programs on disk: found by content, bounded in size, safe among processes and from other users."""

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import stat
import time
import warnings
from pathlib import Path

# Bytes in the folder; above this the programs longest unused are removed.
LIMIT = 256 * 2**20
# Seconds after which a file that is being written, or a lock, counts as abandoned.
_STALE = 3600
# Seconds that one process waits for another to compile a program, before it compiles that itself.
_PATIENCE = 120
_DIGEST = hashlib.sha256().digest_size
# A program, or one being written, or the lock of one being compiled.
_NAME = re.compile(r"[0-9a-f]{64}(\.(lock|[0-9a-f-]+))?")


def folder():
    """Where compiled programs lie, and nothing else: below LOADER_CACHE, or below the user's cache folder. None where
    there is no such folder."""
    base = os.environ.get("LOADER_CACHE")
    if not base:
        base = os.environ.get("XDG_CACHE_HOME", "")
        base = base if os.path.isabs(base) else "~/.cache"
    base = os.path.expanduser(base)
    return None if base.startswith("~") else Path(base) / "metal-recurrence" / "opencl"


def get(key):
    """The binary kept under `key`, or None where there is none, or a damaged one, or another user's."""
    content = b""
    with contextlib.suppress(OSError), _opened() as directory:
        file = os.open(key, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        try:
            status = os.fstat(file)
            if _is_program(status):
                content = os.read(file, status.st_size)
                os.utime(file)
        finally:
            os.close(file)
    digest, binary = content[:_DIGEST], content[_DIGEST:]
    return binary if hashlib.sha256(binary).digest() == digest else None


def has(key):
    """Whether something is kept under `key`."""
    with contextlib.suppress(OSError), _opened() as directory:
        os.stat(key, dir_fd=directory, follow_symlinks=False)
        return True
    return False


def put(key, binary):
    """Keep a binary; a folder that cannot be written only costs time."""
    with contextlib.suppress(OSError), _opened(make=True) as directory:
        # Written aside and moved, so that no other process reads half of it.
        aside = f"{key}.{os.urandom(8).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with open(os.open(aside, flags, 0o600, dir_fd=directory), "wb") as file:
                file.write(hashlib.sha256(binary).digest() + binary)
            os.replace(aside, key, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            _remove(directory, aside)
            raise
        _shrink(directory, key)


def drop(key):
    """Remove what is kept under `key`."""
    with contextlib.suppress(OSError), _opened() as directory:
        _remove(directory, key)


@contextlib.contextmanager
def alone(key):
    """A context that one thread of all processes is in at a time for each key, as far as patience and the folder
    allow: it saves the others what the first one puts, and nothing may depend on it."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            held.enter_context(_locked(held.enter_context(_opened(make=True)), f"{key}.lock"))
        yield


@contextlib.contextmanager
def _locked(directory, name):
    """Hold the lock `name`. Raises OSError where it cannot be had within `_PATIENCE`."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        if not _is_program(os.fstat(file)):
            raise PermissionError(f"{name} is not this user's alone")
        _lock(file)
        # Now it is not stale, though its last holder may have died long ago.
        os.utime(file)
        try:
            yield
        finally:
            # Who waits for the file removed here gets its lock nevertheless, and finds the program in its place.
            _remove(directory, name)
            # A process forked meanwhile has the file open too, and would hold the lock.
            fcntl.flock(file, fcntl.LOCK_UN)
    finally:
        os.close(file)


def _lock(file):
    """`flock`, which ends with the process that holds it, at most for so long. Raises BlockingIOError."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def clear():
    """Remove every program kept."""
    with contextlib.suppress(OSError), _opened() as directory:
        for name, _ in _files(directory):
            _remove(directory, name)


@contextlib.contextmanager
def _opened(make=False):
    """A descriptor of the folder. Raises OSError where there is none that only this user can write."""
    path = folder()
    if path is None:
        raise FileNotFoundError("no folder for compiled programs")
    if make:
        _make(path)
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not _is_private(os.fstat(directory)):
            _warn(path)
            raise PermissionError(f"{path} is not this user's alone")
        yield directory
    finally:
        os.close(directory)


def _make(path):
    """`Path.mkdir` with parents, all of them for this user alone."""
    if not path.parent.exists():
        _make(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def _is_private(status):
    """Whether nobody but this user, or root, can have written it."""
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_program(status):
    return stat.S_ISREG(status.st_mode) and status.st_size <= LIMIT and _is_private(status)


@functools.cache
def _warn(path):
    warnings.warn(
        f"[opencl] {path} belongs to another user or others can write it, so compiled programs are not kept; "
        "chmod it to 700, or set LOADER_CACHE to a folder of yours.",
        RuntimeWarning,
        stacklevel=2,
    )


def _shrink(directory, newest):
    """Remove the programs longest unused, but not the newest, until the folder is within its limit."""
    now, programs = time.time(), []
    for name, status in _files(directory):
        if "." not in name:
            programs.append((name, status))
        elif abs(now - status.st_mtime) > _STALE:
            _remove(directory, name)
    size = sum(status.st_size for _, status in programs)
    # A time that is yet to come is from before the clock was set back.
    for name, status in sorted(programs, key=lambda p: (p[1].st_mtime <= now, p[1].st_mtime)):
        if size <= LIMIT:
            return
        if name != newest:
            _remove(directory, name)
            size -= status.st_size


def _files(directory):
    """(name, status) of every file of ours in the folder; others may remove them meanwhile."""
    files = []
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if _NAME.fullmatch(entry.name) and _is_program(status):
                    files.append((entry.name, status))
    return files


def _remove(directory, name):
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=directory)
