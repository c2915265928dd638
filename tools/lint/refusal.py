"""The loader's errors as findings."""

import re

from .finding import Finding
from .source import Source

_PLACE = re.compile(r"(?P<file>[^:\n]+):(?P<line>\d+): (?P<message>.*)", re.DOTALL)


def refusal(error, manifest):
    """What the loader refuses a manifest, or a kernel file it names, for."""
    match = _PLACE.match(str(error))
    if not match:
        return Finding(manifest.name, 1, 1, "manifest", str(error))
    path = manifest.path.parent / match["file"]
    name = Source(path).name if path.is_file() else match["file"]
    return Finding(name, int(match["line"]), 1, "manifest", match["message"])
