"""clang-format over shaders: whether they are laid out, and laying them out."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from .finding import Finding, LintError
from .source import Source

_VIOLATION = re.compile(r"^(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): .*clang-format-violations", re.MULTILINE)


def check(sources):
    """One finding a file that is not laid out; files with no .clang-format above them are left alone."""
    paths = _styled(sources)
    if not paths:
        return
    done = subprocess.run([_tool(), "--dry-run", *paths], capture_output=True, text=True)
    seen = {}
    for match in _VIOLATION.finditer(done.stderr):
        seen.setdefault(match["file"], []).append(match)
    for file, matches in seen.items():
        line, column = int(matches[0]["line"]), int(matches[0]["column"])
        message = f"clang-format would change {len(matches)} place{'s' if len(matches) > 1 else ''} from here on"
        yield Finding(Source(file).name, line, column, "format", message)


def fix(sources):
    """Lay the files out, in place."""
    paths = _styled(sources)
    if paths:
        subprocess.run([_tool(), "-i", *paths], check=True)


def _styled(sources):
    return [
        str(s.path) for s in sources if not s.is_unit and any((p / ".clang-format").is_file() for p in s.path.parents)
    ]


def _tool():
    """clang-format of this Python's environment, or else of the system."""
    found = shutil.which("clang-format", path=str(Path(sys.executable).parent)) or shutil.which("clang-format")
    if not found:
        raise LintError("lint needs clang-format: pip install 'metal-recurrence[lint]', or pip install '.[lint]'")
    return found
