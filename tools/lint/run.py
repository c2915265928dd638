"""What to check: the files and manifests that paths lead to, shared out over processes."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from . import apple, check, clang, style
from .finding import LintError
from .refusal import refusal
from .source import Source

_MANIFEST, _IGNORE = "manifest.yaml", ".lintignore"
# Starting processes pays off from this many translation units on.
_FEW = 12


class Job(NamedTuple):
    """One file to check: `text` is a unit that MLX wrote for it, `instances` its template-ids where they are known."""

    path: str
    text: str | None = None
    instances: tuple | None = None
    project: bool = False


def everything(paths, fix=False):
    """All findings in files, folders and manifests, in order. Raises LintError where lint cannot run."""
    clang.check_available()
    files, manifests = _gather(paths)
    sources = [Source(path) for path in files]
    if fix:
        style.fix(sources)
        sources = [Source(path) for path in files]
    found = set(style.check(sources))
    jobs, owned = [], set()
    for path, wanted in manifests.items():
        found |= _manifest(path, wanted, jobs, owned)
    jobs += [Job(str(path)) for path in files if path not in owned]
    for source in sources:
        found |= set(apple.check(source))
    for findings in _map(jobs):
        found |= findings
    return sorted(_once(found))


def _gather(paths):
    """Metal files, and manifests with the files to check of each: None for all."""
    files, manifests = {}, {}
    for path in map(Path, paths):
        if path.is_dir():
            for inner in sorted(_walk(path)):
                if inner.name == _MANIFEST:
                    manifests[inner.resolve()] = None
                else:
                    files[inner.resolve()] = None
        elif not path.is_file():
            raise LintError(f"there is no file {path}")
        elif path.suffix in (".yaml", ".yml"):
            manifests[path.resolve()] = None
            files.update(dict.fromkeys(p.resolve() for p in sorted(_walk(path.parent / "shaders"))))
        else:
            files[path.resolve()] = None
            manifest = _manifest_of(path.resolve())
            if manifest and manifests.get(manifest, ()) is not None:
                manifests.setdefault(manifest, set()).add(path.resolve())
    return list(files), manifests


def _walk(folder):
    """Metal files and manifests of a folder, without hidden folders and those that hold a file .lintignore."""
    for root, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".") and not (Path(root, f, _IGNORE)).exists()]
        for name in names:
            is_kernel = name.endswith(".metal")
            is_helper = name.endswith(".h") and "shaders" in Path(root).parts
            if is_kernel or is_helper or (name == _MANIFEST and _is_manifest(Path(root, name))):
                yield Path(root, name)


def _is_manifest(path):
    return any(line.startswith("edition:") for line in path.read_text(encoding="utf-8").splitlines())


def _manifest_of(path):
    """The manifest that a kernel file belongs to, or None."""
    for parent in path.parents:
        manifest = parent.parent / _MANIFEST
        if parent.name == "shaders" and manifest.is_file() and _is_manifest(manifest):
            return manifest
    return None


def _manifest(path, wanted, jobs, owned):
    """Findings in a manifest; jobs for its kernels are added, and their files to `owned`."""
    source = Source(path)
    try:
        # Only where there is a manifest: the loader and MLX cost a quarter of a second to import.
        from . import contract, units
    except ValueError as error:
        return {refusal(error, _own_manifest())}
    try:
        specs = units.load(path)
    except ValueError as error:
        return {refusal(error, source)}
    found = contract.check(specs, source)
    instances, written, more = units.of(specs, source, wanted)
    found |= more if not found else {finding for finding in more if finding.rule != "manifest"}
    for file, ids in instances.items():
        owned.add(file)
        jobs.append(Job(str(file), None, tuple(i for i in ids if i), True))
    jobs += [Job(str(unit.path), unit.text) for unit in written]
    if wanted is not None:
        names = {Source(file).name for file in wanted} | {source.name}
        found = {finding for finding in found if finding.file in names}
    return found


def _own_manifest():
    """The manifest beside the loader, which is read when the loader is imported."""
    return Source(Path(__file__).parents[2] / _MANIFEST)


def _map(jobs):
    if len(jobs) < _FEW or os.cpu_count() == 1:
        yield from map(_do, jobs)
        return
    with ProcessPoolExecutor(min(os.cpu_count(), 8), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_do, jobs, chunksize=4)


def _do(job):
    source = Source(job.path, job.text, is_unit=True if job.text else None)
    return check.unit(source) if job.text else check.file(source, job.instances, job.project)


def _once(found):
    """One finding a rule and line: the author's file and the units made of it tell the same."""
    kept = {}
    for finding in sorted(found):
        kept.setdefault((finding.file, finding.line, finding.rule), finding)
    return kept.values()
