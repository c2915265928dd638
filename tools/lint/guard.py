"""Faults of lint's own: a rule that fails becomes a finding, and hides nothing that other rules find."""

import os

from .finding import Finding, LintError

INTERNAL = "internal"


def attempt(file, name, check, *arguments):
    """The set of findings that `check` returns or yields; with one more where it fails."""
    found = set()
    try:
        found.update(check(*arguments) or ())
    except LintError:
        raise
    except Exception as error:
        found.add(failure(file, name, error))
    return found


def failure(file, name, error):
    """The finding that says where the rule or step `name` failed with a file."""
    trace = error.__traceback__
    while trace.tb_next:
        trace = trace.tb_next
    place = f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
    said = f": {error}" if str(error) else ""
    return Finding(file, 1, 1, INTERNAL, f"{name} failed at {place} with {type(error).__name__}{said}")
