"""Every exception the loader raises on its own account. Bad arrays raise ValueError and TypeError."""


class LoaderError(Exception):
    """Base class of the errors below."""


class ManifestError(LoaderError, ValueError):
    """A manifest, or a kernel file it names, is wrong. The message names file, line, op and key."""


class BackendError(LoaderError, RuntimeError):
    """The chosen engine cannot run here. The message says what to install or to choose instead."""


class CompileError(LoaderError, RuntimeError):
    """A kernel does not compile. The message holds the compiler's own, with the line in the source."""
