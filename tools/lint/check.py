"""All that lint has to say of one Metal file."""

from . import attributes, clang, tree, waivers, words
from . import project as project_rules
from .finding import Finding
from .rules import RULES


def file(source, instances=None, project=False):
    """Findings in a file and the helpers it includes.

    `instances` are the template-ids to check its kernels for; without them, those it instantiates itself or
    likely ones. `project` adds the rules of this project's own kernels.
    """
    guessed = False
    if instances is None:
        instances, guessed = source.instances()
    found = set(_text(source, project))
    prelude = source.is_unit
    if not source.is_unit and source.functions and not source.includes_metal():
        found.add(Finding(source.name, 1, 1, "include", "expected #include <metal_stdlib>"))
        prelude = True
    unit = clang.parse(source, instances, prelude)
    found |= set(clang.findings(unit, source, guessed))
    found |= tree.check(unit, source)
    if clang.has_errors(unit) and any(f.rule in _ERRORS for f in found):
        found = {f for f in found if f.rule not in _FOLLOW_ERRORS}
    found = {finding for finding in found if project or not RULES[finding.rule].project}
    return waivers.apply(_without_echoes(found), [source, *source.includes.values()])


def unit(source):
    """Findings in a translation unit that MLX wrote for a kernel: what clang says of it. The rest is the
    author's text, which is checked where he wrote it."""
    return _without_echoes(set(clang.findings(clang.parse(source, prelude=True), source)))


def _text(source, is_project):
    for each in (source, *source.includes.values()):
        for check in (attributes.check, words.check, *([project_rules.check] if is_project else [])):
            for found in check(each.name, each.lines, each.tokens, each.functions):
                file, line = each.place(found.line)
                yield Finding(file, line, found.column, found.rule, found.message)


# What clang says of the rest of a kernel that it could not read.
_ERRORS = ("syntax", "undeclared", "call", "type", "include", "compile", "vector", "address-space", "parameter")
_FOLLOW_ERRORS = ("unused", "barrier-missing", "return", "uninitialised", "unreachable")
# Where the first rule has spoken, the others on its line say the same less well.
_ECHOES = {
    "double": ("double", "undeclared", "type", "compile", "syntax"),
    "unsupported": ("unsupported", "undeclared", "syntax", "compile", "type", "call"),
    "pointer-space": ("pointer-space", "address-space"),
    "bfloat-conversion": ("bfloat-conversion", "narrowing"),
    "program-scope": ("program-scope", "unused"),
    "barrier-return": ("simd-return",),
    "threadgroup-scope": ("threadgroup-scope",),
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
