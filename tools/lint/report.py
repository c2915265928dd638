"""Findings as text, as JSON, and as GitHub's annotations."""

import dataclasses
import json

from .rules import RULES


def text(findings):
    return "\n".join(f"{f.file}:{f.line}:{f.column}: {f.rule}: {_line(f.message)}" for f in findings)


def as_json(findings):
    rows = []
    for finding in findings:
        rule = RULES[finding.rule]
        rows.append({**dataclasses.asdict(finding), "reason": rule.reason, "fix": rule.fix})
    return json.dumps(rows, indent=1)


def github(findings):
    """See https://docs.github.com/actions/reference/workflow-commands-for-github-actions."""
    return "\n".join(
        f"::error file={_escape(f.file)},line={f.line},col={f.column},title=lint {f.rule}"
        f"::{_escape(_line(f.message))}. {_escape(RULES[f.rule].fix)}"
        for f in findings
    )


def rules():
    """The rules as a table for the terminal."""
    width = max(map(len, RULES))
    rows = []
    for name, rule in sorted(RULES.items()):
        rows += [
            f"{name:<{width}}  {rule.reason}{'  (project)' if rule.project else ''}",
            f"{'':<{width}}  -> {rule.fix}",
        ]
    return "\n".join(rows)


def markdown():
    """The rules as the table of docs/lint.md."""
    rows = [f"| `{name}` | {rule.reason} | {rule.fix} |" for name, rule in sorted(RULES.items()) if not rule.project]
    own = [f"| `{name}` | {rule.reason} | {rule.fix} |" for name, rule in sorted(RULES.items()) if rule.project]
    head = ["| rule | why | what to do |", "|---|---|---|"]
    return "\n".join(["## For every Metal file", "", *head, *rows, "", "## For kernels of a manifest", "", *head, *own])


def _line(message):
    return " ".join(message.split())


def _escape(text):
    return text.replace("%", "%25").replace("\n", "%0A").replace(",", "%2C")
