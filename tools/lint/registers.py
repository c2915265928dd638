"""What kernels of a manifest need of an Apple GPU's registers and threadgroup memory, as tools.registers counts it."""

from loader.errors import LoaderError
from tools import nvrtc

from .finding import Finding, LintError
from .source import display


def check(manifests):
    """A finding for each kernel that passes a limit: `manifests` maps a manifest to the kernel files to look at, or
    None for all. Takes minutes. Raises LintError where the compiler that counts is not installed."""
    from tools.registers import cases, count, report

    if nvrtc.folder() is None:
        raise LintError("--registers needs CUDA's compiler, which counts them; run: pip install '.[nvrtc]'")
    found = set()
    for manifest, wanted in manifests.items():
        shaders = manifest.parent / "shaders"
        try:
            every = cases.of((), manifest)
            rows = count.count([c for c in every if wanted is None or shaders / f"{c.file}.metal" in wanted])
        except (LoaderError, nvrtc.Refused):
            continue  # A kernel or a manifest that is wrong has findings of other rules.
        for row in report.worst(rows):
            file = display(shaders / f"{row.kernel}.metal")
            at = f"{row.dtype}{f' and heads of {row.head}' if row.head else ''}"
            found |= {Finding(file, 1, 1, "registers", f"with {at}: {problem}") for problem in row.problems}
    return found
