"""clang-format over shaders: whether they are laid out, and laying them out."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from .finding import Finding, LintError
from .source import Source, display

_VIOLATION = re.compile(r"^(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): .*clang-format-violations", re.MULTILINE)
_SECONDS = 30


class FormatError(Exception):
    """clang-format fails with some of the files."""


def check(paths):
    """One finding a file that is not laid out; files with no .clang-format above them are left alone."""
    for match in _VIOLATION.finditer(_run(["--dry-run", "--ferror-limit=1"], paths)):
        place = int(match["line"]), int(match["column"])
        yield Finding(display(Path(match["file"])), *place, "format", "clang-format changes the file from here on")


def fix(paths):
    """Lay the files out, in place."""
    _run(["-i"], paths)


def _run(options, paths):
    """What clang-format says of files that are to be laid out. Raises FormatError where it fails."""
    styled = [str(path) for path in paths if _is_styled(path)]
    if not styled:
        return ""
    command = [_tool(), *options, *styled]
    try:
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, errors="replace", timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise FormatError(f"clang-format takes more than {_SECONDS} s") from None
    except OSError as error:
        raise FormatError(f"clang-format does not start: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.partition("\n")[0]
        raise FormatError(f"clang-format ended with exit code {done.returncode}: {said}")
    return done.stderr


def _is_styled(path):
    return any((p / ".clang-format").is_file() for p in path.parents) and not Source(path).is_unit


def _tool():
    """clang-format of this Python's environment, or else of the system."""
    found = shutil.which("clang-format", path=str(Path(sys.executable).parent)) or shutil.which("clang-format")
    if not found:
        raise LintError("lint needs clang-format: pip install 'metal-recurrence[lint]', or pip install '.[lint]'")
    return found
