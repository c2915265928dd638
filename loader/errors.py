"""The loader's exceptions, warnings and suggestions. Wrong arguments raise ValueError and TypeError instead."""

import difflib
import sys
import warnings
from collections.abc import Iterable


class LoaderError(Exception):
    """Base class of the errors below."""


class ManifestError(LoaderError, ValueError):
    """A manifest, or a kernel file it names, is wrong. The message names file, line, op and key."""


class BackendError(LoaderError, RuntimeError):
    """The chosen engine cannot run here. The message says what to install or to choose instead."""


class CompileError(LoaderError, RuntimeError):
    """A kernel does not compile. The message has the compiler's message and the line in the source."""


class ValidationError(LoaderError, RuntimeError):
    """Validation found faults in a kernel. The message has a sentence for each, `findings` is their list."""

    def __init__(self, kernel: str, findings: Iterable[str]) -> None:
        self.kernel, self.findings = kernel, tuple(findings)
        super().__init__("\n  ".join([f"[{kernel}] validation found:", *self.findings]))


def warn(message):
    """Warn at the line outside of this package that led to the call."""
    frame, level = sys._getframe(1), 1
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, RuntimeWarning, stacklevel=level + 1)


def suggest(word, known):
    """`" Did you mean 'x'?"` for the nearest known word, else an empty string."""
    if len(str(word)) > 100:
        return ""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
