"""All that lint has to say of one Metal file."""

import re

from . import aside, attributes, clang, said, tree, waivers, words
from . import project as project_rules
from .finding import Finding
from .guard import INTERNAL, attempt
from .rules import RULES


def file(source, instances=None, project=False):
    """Findings in a file and the helpers it includes.

    `instances` are the template-ids to check its kernels for; without them, those it instantiates itself or
    likely ones. `project` adds the rules of this project's own kernels.
    """
    guesses = 0
    if instances is None:
        instances, guesses = source.instances()
    found = _text(source, project) | _encoding(source)
    if not aside.is_left(source):
        found |= attempt(source.name, "clang", _parsed, source, instances, guesses)
    found = {finding for finding in found if project or not RULES[finding.rule].project}
    if re.search(r"#\s*pragma\s+METAL\s+fp\s+math_mode\s*\(\s*(safe|relaxed)", source.text):
        found = {finding for finding in found if finding.rule != "nan-test"}
    if any(token.text == "visible" for each in (source, *source.includes.values()) for token in each.tokens):
        found = {finding for finding in found if finding.rule != "function-pointer"}
    found = waivers.apply(_without_echoes(found), [source, *source.includes.values()])
    return {f for f in found if project or source.options.style or not RULES[f.rule].style}


def unit(source):
    """Findings in a translation unit that MLX wrote for a kernel: what clang says of it. The rest is the
    author's text, which is checked where he wrote it."""
    return _without_echoes(attempt(source.name, "clang", said.findings, clang.parse(source, prelude=True), source))


def _text(source, is_project):
    found = set()
    for each in (source, *source.includes.values()):
        for rules in (attributes, words, *([project_rules] if is_project else [])):
            name = rules.__name__.rpartition(".")[-1]
            for f in attempt(each.name, name, rules.check, each.name, each.lines, each.tokens, each.functions):
                file, line = (f.file, f.line) if f.rule == INTERNAL else each.place(f.line)
                found.add(Finding(file, line, f.column, f.rule, f.message))
    return found


def _encoding(source):
    """The first place of each file that is no text."""
    found = set()
    for each in (source, *source.includes.values()):
        match = re.search("[\0\ufffd]", each.text)
        if match:
            what = "a NUL" if match[0] == "\0" else "bytes that are not UTF-8"
            found.add(Finding(each.name, *each.lines.at(match.start()), "encoding", f"expected text but got {what}"))
    return found


def _parsed(source, instances, guesses):
    """Findings in what clang reads."""
    unit = clang.parse(source, instances, prelude=source.is_unit)
    found = attempt(source.name, "clang", said.findings, unit, source, guesses)
    found |= attempt(source.name, "tree", tree.check, unit, source)
    if clang.has_errors(unit) and any(f.rule in _ERRORS for f in found):
        found = {f for f in found if f.rule not in _FOLLOW_ERRORS}
    return found


# What clang says of the rest of a kernel that it could not read.
_ERRORS = ("syntax", "undeclared", "call", "type", "include", "compile", "vector", "address-space", "parameter")
_FOLLOW_ERRORS = ("unused", "barrier-missing", "threadgroup-unwritten", "return", "uninitialised", "unreachable")
# Where the first rule has spoken, the others on its line say the same less well.
_ECHOES = {
    "double": ("double", "undeclared", "type", "compile", "syntax"),
    "unsupported": ("unsupported", "undeclared", "syntax", "compile", "type", "call"),
    "pointer-space": ("pointer-space", "address-space"),
    "bfloat-conversion": ("bfloat-conversion", "narrowing"),
    "function-pointer": ("program-scope",),
    "program-scope": ("program-scope", "unused"),
    "barrier-return": ("simd-return", "simd-partial"),
    "simd-return": ("simd-partial",),
    "threadgroup-scope": ("threadgroup-scope",),
    "threadgroup-unwritten": ("barrier-missing",),
}


def _without_echoes(found):
    """One finding a rule and line, and none that only echoes another."""
    kept = {}
    for finding in sorted(found):
        kept.setdefault((finding.file, finding.line, finding.rule), finding)
    for (file, line, rule), finding in list(kept.items()):
        for echo in _ECHOES.get(rule, ()):
            if echo != rule and kept.get((file, line, rule)) is finding:
                kept.pop((file, line, echo), None)
    return set(kept.values())
