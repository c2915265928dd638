"""What to check: the files and manifests that paths lead to."""

import os
from pathlib import Path

from . import pool
from .finding import Finding, Note
from .jobs import MANIFEST, FileJob, ManifestJob, StyleJob
from .options import DEFAULT
from .source import display, obstacle

_IGNORE = ".lintignore"


def everything(paths, fix=False, options=DEFAULT):
    """All findings in files, folders and manifests, in order. Raises LintError where lint cannot run."""
    return report(paths, fix, options)[0]


def report(paths, fix=False, options=DEFAULT):
    """(findings, notes of what was left unchecked), each in order. Raises LintError where lint cannot run."""
    gathered = _Gathered(paths)
    files, found = tuple(gathered.files), gathered.found
    if fix:
        findings, apart = _do([StyleJob(files, fix=True)])
        found |= findings | _do(apart)[0]
    # Only the files beside a manifest wait for what it says of them.
    folders = {manifest.parent / "shaders" for manifest in gathered.manifests}
    beside = [path for path in files if folders & set(path.parents)]
    first = [ManifestJob(path, wanted) for path, wanted in gathered.manifests.items()]
    first += [StyleJob(files), *(FileJob(path, options=options) for path in files if path not in beside)]
    findings, declared = _do(first)
    notes = {result for result in declared if isinstance(result, Note)}
    declared = [result for result in declared if not isinstance(result, Note)]
    known = {job.path for job in declared if isinstance(job, FileJob)}
    more, of_them = _do([*declared, *(FileJob(path, options=options) for path in beside if path not in known)])
    counted = _registers(gathered.manifests) if options.registers else ()
    return sorted({*_once(found | findings | more), *counted}), sorted(notes.union(of_them))


def _registers(manifests):
    # Imported late: it brings MLX and the loader along.
    from . import registers

    return registers.check(manifests)


def _do(jobs):
    """(findings, further jobs) of jobs."""
    results = [result for of_one in pool.shared().run(jobs) for result in of_one]
    found = {result for result in results if isinstance(result, Finding)}
    return found, [result for result in results if not isinstance(result, Finding)]


class _Gathered:
    """Metal files, manifests with the files to check of each (None: all), and findings in what cannot be read."""

    def __init__(self, paths):
        self.files, self.manifests, self.found = {}, {}, set()
        for path in map(Path, paths):
            if not path.is_dir():
                self._add(path)
            elif not self._add_folder(path):
                self._refuse(path, "expected a Metal file or a manifest in this folder but found none")

    def _add(self, path):
        reason, real = obstacle(path), Path(os.path.realpath(path))
        if reason:
            self._refuse(path, reason)
        elif path.suffix in (".yaml", ".yml"):
            self.manifests[real] = None
            self._add_folder(path.parent / "shaders")
        else:
            self.files[real] = None
            manifest = _manifest_of(real)
            if manifest and self.manifests.get(manifest, ()) is not None:
                self.manifests.setdefault(manifest, set()).add(real)

    def _add_folder(self, path):
        """Whether there is anything to check in a folder."""
        inside = sorted(_walk(path, self._refuse))
        for inner in inside:
            self._add(inner)
        return bool(inside)

    def _refuse(self, path, reason):
        self.found.add(Finding(display(Path(os.path.abspath(path))), 1, 1, "file", reason))


def _walk(folder, refuse):
    """Metal files and manifests of a folder, without hidden folders and those that hold a file .lintignore."""
    for root, folders, names in os.walk(folder, onerror=lambda error: refuse(error.filename, error.strerror)):
        folders[:] = [f for f in folders if not f.startswith(".") and not os.path.exists(Path(root, f, _IGNORE))]
        for name in names:
            is_kernel = name.endswith(".metal")
            is_helper = name.endswith(".h") and "shaders" in Path(root).parts
            if is_kernel or is_helper or (name == MANIFEST and _is_manifest(Path(root, name))):
                yield Path(root, name)


def _is_manifest(path):
    """Whether a file is one of ours; one that cannot be read may be."""
    if obstacle(path):
        return True
    return any(line.startswith("edition:") for line in path.read_text("utf-8", "replace").splitlines())


def _manifest_of(path):
    """The manifest that a kernel file belongs to, or None."""
    for parent in path.parents:
        manifest = parent.parent / MANIFEST
        if parent.name == "shaders" and os.path.isfile(manifest) and _is_manifest(manifest):
            return manifest
    return None


def _once(found):
    """One finding a rule and line: the author's file and the units made of it tell the same."""
    kept = {}
    for finding in sorted(found):
        kept.setdefault((finding.file, finding.line, finding.rule), finding)
    return kept.values()
