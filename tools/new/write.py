"""The files of a new op, from the templates beside this file, in which NAME stands for the op."""

import ast
import importlib.util
import keyword
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = Path(__file__).parent / "templates"
PLACEHOLDER = "NAME"
MANIFEST, REFERENCE, TWINS, GOLDEN = "manifest.yaml", "loader/reference.py", "tests/numpy_ops", "tests/golden"
EXTENDED = (MANIFEST, REFERENCE)
# Longer names would break lines of the templates, and with them their format.
_LONGEST = 24


class NewError(Exception):
    """Why no op can be made, and the way out."""


def kinds():
    """The names of the templates."""
    return sorted(folder.name for folder in TEMPLATES.iterdir() if (folder / "entry.yaml").is_file())


def check(root, name):
    """Raise NewError unless an op called `name` can be made in the checkout `root`."""
    missing = [path for path in (MANIFEST, REFERENCE, TWINS) if not (root / path).exists()]
    if missing:
        raise NewError(
            f"expected a checkout of metal-recurrence but {root} has no {', '.join(missing)}; clone the repository "
            "and run this in it."
        )
    check_name(name)
    taken = _where_taken(root, name)
    if taken:
        raise NewError(f"{name!r} is taken: {taken} has it; choose another name, or remove that one first.")


def check_name(name):
    """Raise NewError unless an op can be called so."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name) or len(name) > _LONGEST:
        raise NewError(
            f"expected a name of small letters, digits and _, at most {_LONGEST} long and no word of Python's, but "
            f"got {name!r}; try {_near(name)!r}."
        )


def _near(name):
    """A similar name that is allowed."""
    words = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_").lstrip("0123456789_")[: _LONGEST - 3].rstrip("_")
    return words if words and not keyword.iskeyword(words) and words != name else f"{words or 'my'}_op"


def _where_taken(root, name):
    """The file or folder that already has the name, or None."""
    if is_entry(root / MANIFEST, name):
        return MANIFEST
    if name in names_of((root / REFERENCE).read_text(encoding="utf-8")):
        return REFERENCE
    return next((path for path in (f"shaders/{name}", f"{TWINS}/{name}.py") if (root / path).exists()), None)


def is_entry(manifest, name):
    """Whether a manifest has an op of this name."""
    return bool(re.search(rf"^  {name}:", manifest.read_text(encoding="utf-8"), re.MULTILINE))


def names_of(source):
    """The names that a module's imports and definitions bind."""
    body = ast.parse(source).body
    imports = [alias for node in body if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names]
    return {alias.asname or alias.name for alias in imports} | {node.name for node in body if hasattr(node, "name")}


def sources(root, name, kind):
    """Write the files that an author edits. Returns their paths from `root`."""
    templates, twin = TEMPLATES / kind, f"{TWINS}/{name}.py"
    kernels = [f"shaders/{name}/{template.name}" for template in sorted(templates.glob("*.metal"))]
    (root / f"shaders/{name}").mkdir()
    for path in kernels:
        (root / path).write_text(fill(templates / Path(path).name, name), encoding="utf-8")
    (root / twin).write_text(fill(templates / "numpy_twin.py", name), encoding="utf-8")
    append(root / MANIFEST, "\n" + fill(templates / "entry.yaml", name))
    append(root / REFERENCE, "\n\n" + function(fill(templates / "reference.py", name)))
    return [*kernels, twin]


def generated(root, name):
    """Write the docs page and the golden units, in processes that import the new op.

    Returns the paths of the files made.
    """
    before = set((root / GOLDEN).glob("*"))
    _run(root, name, "tools.docs")
    _run(root, name, "pytest", "tests/test_golden.py", "--update-golden", "-k", f"units_are_as_kept and {name}")
    golden = sorted(path.relative_to(root).as_posix() for path in set((root / GOLDEN).glob("*")) - before)
    return [f"docs/ops/{name}.md", f"docs/ops/{name}.svg", *golden]


def fill(template, name):
    return template.read_text(encoding="utf-8").replace(PLACEHOLDER, name)


def function(source):
    """A module without its imports, which the file to extend has already."""
    return source[source.index("def ") :]


def append(path, text):
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n") + "\n" + text, encoding="utf-8")


def _run(root, name, module, *arguments):
    if importlib.util.find_spec(module) is None:
        raise NewError(f"{name} is made but for its golden units: install pytest, then make test ARGS=--update-golden.")
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=root, capture_output=True, text=True)
    if done.returncode:
        command, said = " ".join(("python -m", module, *arguments)), (done.stdout + done.stderr).strip()
        raise NewError(f"{name} is written, but `{command}` fails; mend what it says and run it again.\n{said}")
