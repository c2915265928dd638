"""Reads the text files of authors: manifests, kernels and headers."""

import re
import stat

from .errors import ManifestError

_LIMIT = 16 * 2**20
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


def read(path, file):
    """The text of `path`, called `file` in errors, with "\\n" at the end of its lines and no byte order mark.

    Raises ManifestError where it is no regular file, or holds control characters.
    """
    try:
        status = path.stat()
        readable = stat.S_ISREG(status.st_mode) and status.st_size <= _LIMIT
        content = path.read_bytes() if readable else b""
    except (OSError, ValueError) as error:
        raise ManifestError(f"{file}:1: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise ManifestError(f"{file}:1: expected a regular file")
    if not readable:
        raise ManifestError(f"{file}:1: expected at most {_LIMIT} bytes but got {status.st_size}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{file}:{line}: expected UTF-8 but got the byte 0x{content[error.start]:02x}") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if found := _CONTROL.search(text):
        raise ManifestError(f"{file}:{line_of(text, found.start())}: expected text but got the character {found[0]!r}")
    return text


def line_of(text, position):
    """The number of the line that holds a position."""
    return text.count("\n", 0, position) + 1
