"""`// lint: allow RULE reason` waives a rule on its line; a waiver must have a reason and be of use."""

import re

from .finding import Finding
from .guard import INTERNAL
from .rules import RULES

_WAIVER = re.compile(r"//\s*lint:\s*allow\b[ \t]*(?P<rule>[\w-]*)[ \t]*(?P<reason>[^\n]*)")


def apply(findings, sources):
    """The findings that no waiver allows, and one for each waiver that is wrong."""
    findings = set(findings)
    for source in sources:
        for match in _WAIVER.finditer(source.text):
            line, column = source.lines.at(match.start())
            waived = {f for f in findings if (f.file, f.line, f.rule) == (source.name, line, match["rule"])}
            waived -= {f for f in waived if f.rule == INTERNAL}
            problem = _problem(match, waived)
            if problem:
                findings.add(Finding(source.name, line, column, "waiver", problem))
            else:
                findings -= waived
    return findings


def _problem(match, waived):
    rule = match["rule"]
    if rule not in RULES:
        return f"expected a rule after allow but got {rule or 'nothing'}; --rules lists them"
    if not match["reason"].strip():
        return f"expected a reason after {rule}"
    return "" if waived else f"{rule} is not found on this line, so nothing is to be allowed"
