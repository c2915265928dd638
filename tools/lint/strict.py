"""The string of a `loader.metal_kernel`, as Apple's compiler would take it: what it refuses and the CPU runs."""

from pathlib import Path
from typing import NamedTuple

from . import check, pool
from .finding import Finding
from .guard import INTERNAL
from .source import Source

# What no engine but Apple's refuses, and faults that no run shows.
_RULES = ("pointer-space", "bfloat-conversion", "double", "unsupported", "function-pointer", "recursion",
          "program-scope", "call", INTERNAL)  # fmt: skip
_FAULTS = ("threadgroup-unwritten", "uninitialised", "nan-test")
_REFUSED = "Apple's compiler refuses this: "


class StrictJob(NamedTuple):
    """Check the text of a unit, whose `#line` marks name its parts."""

    name: str
    text: str

    def run(self):
        source = Source(Path(f"/{self.name}.metal"), self.text, is_unit=True)
        return {finding for finding in check.file(source, instances=()) if finding.rule in _RULES or _is_fault(finding)}


def _is_fault(finding):
    """Whether a finding is of what was never written, of NaN, or of a shared variable, of which no log of subscripts
    knows."""
    is_shared = finding.rule == "barrier-missing" and "[" not in finding.message
    return is_shared or finding.rule in _FAULTS


def sentences(name, text):
    """What Apple's compiler would refuse in a unit, as sentences. Raises LintError where lint cannot run."""
    results = [result for found in pool.shared().run([StrictJob(name, text)]) for result in found]
    findings = sorted(result for result in results if isinstance(result, Finding))
    return [f"{f.file}:{f.line}: {'' if _is_fault(f) else _REFUSED}{f.rule}: {f.message}" for f in findings]
