"""The jobs that lint consists of. Each runs in a process of a pool and returns findings and further jobs."""

from pathlib import Path
from typing import NamedTuple

from . import apple, aside, check, clang, style
from .finding import Finding, Note
from .guard import INTERNAL, attempt
from .options import DEFAULT, Options
from .refusal import refusal
from .source import Source, Unreadable, display

MANIFEST = "manifest.yaml"


class FileJob(NamedTuple):
    """Check a file: `text` is a unit that MLX wrote for it, `instances` its template-ids where they are known."""

    path: Path
    text: str | None = None
    instances: tuple | None = None
    project: bool = False
    options: Options = DEFAULT

    @property
    def name(self):
        return display(self.path)

    def run(self):
        clang.check_available()
        try:
            source = Source(self.path, self.text, is_unit=True if self.text else None, options=self.options)
            if self.text:
                return check.unit(source) | attempt(self.name, "apple", apple.check, source)
            found = check.file(source, self.instances, self.project) | attempt(self.name, "apple", apple.check, source)
            return [*found, *(Note(self.name, note) for note in aside.notes(source))]
        except Unreadable as error:
            return {Finding(self.name, 1, 1, "file", str(error))}


class StyleJob(NamedTuple):
    """Check how files are laid out, or with `fix` lay them out. Where that fails each file becomes a job."""

    paths: tuple
    fix: bool = False

    @property
    def name(self):
        return display(self.paths[0]) if len(self.paths) == 1 else "."

    def run(self):
        try:
            return [*((style.fix if self.fix else style.check)(self.paths) or ())]
        except style.FormatError as error:
            if len(self.paths) > 1:
                return [StyleJob((path,), self.fix) for path in self.paths]
            return [Finding(self.name, 1, 1, INTERNAL, str(error))]


class ManifestJob(NamedTuple):
    """Check a manifest, or what it says of the kernel files `wanted`; its kernels and their units are further jobs."""

    path: Path
    wanted: frozenset | None = None

    @property
    def name(self):
        return display(self.path)

    def run(self):
        source = Source(self.path)
        try:
            # Only where there is a manifest: the loader and MLX cost a quarter of a second to import.
            from . import contract, units
        except ValueError as error:
            return {refusal(error, Source(Path(__file__).parents[2] / MANIFEST))}
        try:
            specs = units.load(self.path)
        except ValueError as error:
            return {refusal(error, source)}
        found = attempt(self.name, "contract", contract.check, specs, source)
        instances, written, more = units.of(specs, source, self.wanted)
        found |= more if not found else {finding for finding in more if finding.rule != "manifest"}
        if self.wanted is not None:
            names = {display(file) for file in self.wanted} | {source.name}
            found = {finding for finding in found if finding.file in names}
        files = [FileJob(file, None, tuple(i for i in ids if i), True) for file, ids in instances.items()]
        return [*found, *files, *(FileJob(unit.path, unit.text) for unit in written)]
