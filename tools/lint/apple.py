"""Apple's own compiler, where there is one."""

import re
import shutil
import subprocess
import sys

from .finding import Finding

_LINE = re.compile(
    r"^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?:warning|error): (?P<message>.*)$", re.MULTILINE
)
_FLAGS = ["-fsyntax-only", "-Wall", "-Wextra", "-Wmetal-addr-spaces", "-std=metal3.1"]


def check(source):
    """What Apple's compiler says of a file; nothing on other systems, and without Xcode's metal tool."""
    if sys.platform != "darwin" or not shutil.which("xcrun") or source.is_unit:
        return
    command = ["xcrun", "-sdk", "macosx", "metal", *_FLAGS, str(source.path)]
    done = subprocess.run(command, capture_output=True, text=True)
    for match in _LINE.finditer(done.stderr):
        if match["file"] == str(source.path):
            yield Finding(source.name, int(match["line"]), int(match["column"]), "apple", match["message"])
