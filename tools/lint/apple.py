"""Apple's own compiler, where there is one."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .finding import Finding

_LINE = re.compile(
    r"^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): (?:warning|(?:fatal )?error): (?P<message>.*)$", re.MULTILINE
)
_METAL = ["xcrun", "-sdk", "macosx", "metal"]
_FLAGS = ["-Wall", "-Wextra", "-Wmetal-addr-spaces", "-std=metal3.1", "-fno-fast-math"]
# The names that a unit of MLX's takes from the text that MLX puts before it, which exporting leaves out.
PRELUDE = """#include <metal_stdlib>
#include <metal_simdgroup_matrix>
using namespace metal;
typedef half float16_t;
typedef bfloat bfloat16_t;
"""


def missing():
    """Why Apple's compiler cannot be asked here, or None."""
    if sys.platform != "darwin":
        return "this is no Mac"
    return None if shutil.which("xcrun") else "Xcode's command line tools are missing; run: xcode-select --install"


def compile(text, output=None, warnings=True):
    """(whether Apple's compiler takes a Metal text, what it says); with `output` it writes its code there."""
    what = ["-c", "-o", str(output)] if output else ["-fsyntax-only"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "unit.metal"
        path.write_text(text)
        command = [*_METAL, *_FLAGS, *([] if warnings else ["-w"]), *what, str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode == 0, done.stderr


def check(source):
    """What Apple's compiler says of a file or of a unit that MLX wrote; nothing on other systems, and without Xcode's
    metal tool."""
    if missing():
        return
    if source.is_unit:
        said = compile(PRELUDE + source.text)[1]
    else:
        command = [*_METAL, *_FLAGS, "-fsyntax-only", str(source.path)]
        said = subprocess.run(command, capture_output=True, text=True).stderr
    for match in _LINE.finditer(said):
        if source.is_unit or match["file"] == str(source.path):
            file = match["file"] if source.is_unit else source.name
            yield Finding(file, int(match["line"]), int(match["column"]), "apple", match["message"])
