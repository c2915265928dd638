"""An op in a project of the user's: a package with a manifest, shaders and references, and tests."""

import importlib.util
import re
import shutil

from . import write
from .write import MANIFEST, NewError

REFERENCES, TESTS = "references.py", "tests"
_TEMPLATES = write.TEMPLATES / "project"
_HEADERS = ("loader/portable/include/dialects/check", "loader/portable/include/names", "tools/lint/include")


def check(folder, name):
    """The name of the package in the project `folder`. Raises NewError unless an op called `name` can be made there."""
    write.check_name(name)
    if folder.exists() and not folder.is_dir():
        raise NewError(f"expected --into to be a folder but {folder} is a file.")
    package = _package(folder)
    manifest, references = folder / package / MANIFEST, folder / package / REFERENCES
    taken = [
        folder / TESTS / f"test_{name}.py",
        folder / TESTS / f"numpy_{name}.py",
        manifest.parent / "shaders" / name,
    ]
    taken = [path for path in taken if path.exists()]
    taken += [manifest] * (manifest.exists() and write.is_entry(manifest, name))
    taken += [references] * (references.exists() and name in write.names_of(references.read_text(encoding="utf-8")))
    if taken:
        raise NewError(f"{name!r} is taken: {taken[0]} has it; choose another name, or remove that one first.")
    return package


def _package(folder):
    """The package of the project that has a manifest, else the folder's name."""
    found = sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}"))
    if len(found) > 1:
        raise NewError(f"expected one package with a {MANIFEST} in {folder} but found {', '.join(found)}.")
    if found:
        return found[0]
    package = re.sub(r"\W+", "_", folder.resolve().name, flags=re.ASCII).strip("_").lower()
    if not package.isidentifier():
        raise NewError(f"expected --into to be a folder called as a package may be but got {folder}.")
    if package == TESTS or importlib.util.find_spec(package):
        raise NewError(f"{package!r} is the name of another package; choose another folder than {folder}.")
    return package


def sources(folder, name, kind, package):
    """Write the op, and the project if it does not exist. Returns the paths of the files made, from `folder`."""
    words = {"PROJECT": package.replace("_", "-"), "PACKAGE": package, write.PLACEHOLDER: name}
    made = [*_project(folder, package, words)]
    texts = {f"{TESTS}/test_{name}.py": _fill("test.py", words)}
    texts |= {f"{TESTS}/numpy_{name}.py": write.fill(write.TEMPLATES / kind / "numpy_twin.py", name)}
    for template in sorted((write.TEMPLATES / kind).glob("*.metal")):
        text = write.fill(template, name)
        texts[f"{package}/shaders/{name}/{template.name}"] = re.sub(r'"\.\./common/(\w+\.h)"', r"<loader/\1>", text)
    made += [_put(folder, path, text) for path, text in texts.items()]
    entry = write.fill(write.TEMPLATES / kind / "entry.yaml", name)
    function = write.function(write.fill(write.TEMPLATES / kind / "reference.py", name))
    manifest, references = folder / package / MANIFEST, folder / package / REFERENCES
    write.append(manifest, entry if f"{package}/{MANIFEST}" in made else f"\n{entry}")
    write.append(references, "\n\n" + re.sub(r"\b_(over_time|wide)\b", r"\1", function))
    return made


def _project(folder, package, words):
    """Write the missing files of a project. Yields their paths."""
    texts = {"pyproject.toml": "pyproject.toml", f"{package}/__init__.py": "package.py"}
    texts |= {f"{package}/{name}": name for name in (MANIFEST, REFERENCES)}
    for path, template in texts.items():
        if not (folder / path).exists():
            yield _put(folder, path, _fill(template, words))
    if not (folder / "compile_flags.txt").exists():
        flags = (write.ROOT / "compile_flags.txt").read_text(encoding="utf-8")
        for headers in _HEADERS:
            flags = flags.replace(f"\n{headers}\n", f"\n{write.ROOT / headers}\n")
        yield _put(folder, "compile_flags.txt", flags)
    for style in (".clang-format", ".clangd"):
        if not (folder / style).exists():
            shutil.copy(write.ROOT / style, folder / style)
            yield style


def _fill(template, words):
    text = (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _put(folder, path, text):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(text, encoding="utf-8")
    return path
