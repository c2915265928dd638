"""Manifests, kernels and headers with random damage: each loads, or raises an error that names file and line, at once.

The seed is fixed, and the time is 30 seconds or, with FULL=1 in the environment, 90.
"""

import itertools
import random
import re
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import mlx.core as mx
import pytest
from oracle import FULL

import loader
from loader import manifest
from loader.expression import DTYPES, Scope
from loader.op import Op
from loader.portable import metal

ROOT = Path(loader._PATH).parent
MIX = Path(__file__).parent / "manifests" / "mix"
SECONDS = 90 if FULL else 30
PLACE = re.compile(r"[\w./-]+:\d+: ")
TOKEN = re.compile(r"\w+|[^\w\s]|\s+")
NASTY = [
    *("0", "-1", "1", "2147483648", "1" + "0" * 21, "9" * 5000, "1e400", "nan", "0x10", "010", "1_0", "true", "True"),
    *("null", "~", "''", "[]", "{}", "[[]]", "*a", "&a", "<<", "!!python/none", "? ", "- ", ": ", "#", "|", ">", "---"),
    *("1 // 0", "1 % 0", "min()", "cdiv(1)", "dtype(x)", "ndim(y)", "has(1)", "a.b", "x[0]", "lambda: 1", "D * D * D"),
    *(
        "float32",
        "min",
        "dtype",
        "class",
        "self",
        "stream",
        "B",
        "L",
        "D",
        "y",
        "x",
        "../x",
        "/x",
        "a b",
        "é",
        "\ufeff",
    ),
    *(
        "\0",
        "\x1b",
        "\r",
        "\t",
        "\x85",
        "\u2028",
        "/*",
        "*/",
        "//",
        '"',
        "'",
        "\\",
        "(",
        ")",
        "{",
        "}",
        "<",
        ">",
        "[[",
        "]]",
    ),
    *('#include "x.h"\n', '#include "../../x"\n', "#pragma once\n", "[[kernel]] void f(", "template <", "const ", "="),
    *(
        "(" * 300,
        "[" * 2000,
        "- " * 500,
        " " * 30_000,
        "\n" * 30_000,
        "/*" * 10_000,
        "a" * 30_000,
        "-" * 900,
        "+1" * 400,
    ),
]


def damage(rng, content):
    """Some bytes or tokens of a file changed, moved, doubled or taken away."""
    text = content.decode()
    kind = rng.choice(["bytes", "lines", "cut", "chunk", "token", "token", "token", "token", "token"])
    if kind == "bytes":
        content = bytearray(content)
        for _ in range(rng.choice([1, 3, 10])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        return bytes(content)
    if kind == "lines":
        lines = text.splitlines(keepends=True)
        i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
        change = rng.randrange(4)
        if change == 0:
            del lines[i]
        elif change == 1:
            lines.insert(j, lines[i])
        elif change == 2:
            lines[i], lines[j] = lines[j], lines[i]
        else:
            lines[i] = " " * rng.randrange(12) + lines[i].lstrip(" ")
        return "".join(lines).encode()
    at = rng.randrange(len(text))
    if kind == "cut":
        return text[:at].encode()
    if kind == "chunk":
        chunk = text[at : at + rng.choice([5, 50, 500])] * rng.choice([1, 2, 100])
        to = rng.randrange(len(text))
        return (text[:to] + chunk + text[to:]).encode()
    tokens = TOKEN.findall(text)
    for _ in range(rng.choice([1, 1, 2, 4])):
        tokens[rng.randrange(len(tokens))] = rng.choice([rng.choice(NASTY), rng.choice(tokens), ""])
    return "".join(tokens).encode()


def entry(name):
    lines = loader._PATH.read_text().splitlines(keepends=True)
    start = lines.index(f"  {name}:\n")
    after = (i for i in range(start + 1, len(lines)) if re.match(r"  \w", lines[i]))
    return "".join(lines[start : next(after, len(lines))])


def stands_alone(name):
    """Whether the entry uses no anchor of another's."""
    aliases, anchors = (set(re.findall(rf"(?<=[ \[]){mark}(\w+)", entry(name))) for mark in (r"\*", "&"))
    return aliases <= anchors


def excerpt(name, folder):
    """A folder with nothing but one op of ours: its entry in the manifest, and what that reads."""
    spec = loader.get(name).spec
    folder.mkdir()
    (folder / "manifest.yaml").write_text("edition: 1\nops:\n" + entry(name))
    shutil.copytree(ROOT / "shaders" / "common", folder / "shaders" / "common")
    for file in {f"{step.kernel}.metal" for step in spec.steps}:
        (folder / "shaders" / file).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "shaders" / file, folder / "shaders" / file)
        for header in (ROOT / "shaders" / file).parent.glob("*.h"):
            shutil.copy(header, (folder / "shaders" / file).parent)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Small manifests, one op each, and the whole one once for every ten of them."""
    base = tmp_path_factory.mktemp("fuzz")
    small = [excerpt(name, base / name) for name in loader.names() if stands_alone(name)]
    small.append(shutil.copytree(MIX, base / "mix"))
    whole = base / "whole"
    shutil.copytree(ROOT / "shaders", whole / "shaders")
    shutil.copy(loader._PATH, whole / "manifest.yaml")
    return small, whole


def load(folder):
    """Load, build and plan every op; errors of a call begin with the op."""
    for spec in manifest.load(folder / "manifest.yaml").values():
        op = Op(spec, metal)
        str(op)
        dims = {"B": 2, "L": 3, **(spec.examples[-1] if spec.examples else {})}
        try:
            op.plan({a.name: stand_in(a, dims) for a in spec.inputs}, tuple(o.default for o in spec.options))
        except (ValueError, TypeError) as error:
            if isinstance(error, loader.ManifestError) or not str(error).startswith(f"[{spec.name}] "):
                raise


def stand_in(array, dims):
    shape = tuple(axis(Scope(dict.fromkeys(axis.names, 4) | dims, {}, {})) for axis in array.shapes[0])
    return SimpleNamespace(shape=shape, dtype=DTYPES[array.dtypes[0]])


@pytest.mark.parametrize("what", ["manifest.yaml", "shaders"])
def test_damaged_files(folders, what):
    small, whole = folders
    for folder in (*small, whole):
        load(folder)
    outcomes = {True: 0, False: 0}
    end = time.monotonic() + SECONDS / 2
    for seed in itertools.count():
        if time.monotonic() > end:
            break
        rng = random.Random(seed)
        folder = whole if seed % 10 == 9 else rng.choice(small)
        path = rng.choice(sorted(x for x in (folder / what).rglob("*") if x.is_file()) or [folder / what])
        content = path.read_bytes()
        path.write_bytes(damage(rng, content))
        before = time.thread_time()
        try:
            load(folder)
            outcomes[True] += 1
        except (loader.ManifestError, loader.CompileError) as error:
            assert PLACE.match(str(error)), f"seed {seed}, {path.relative_to(folder)}: no place in: {error}"
            outcomes[False] += 1
        except BaseException as error:
            error.add_note(f"seed {seed}, {path.relative_to(folder)}") if hasattr(error, "add_note") else None
            raise
        finally:
            path.write_bytes(content)
        assert time.thread_time() - before < 1, f"seed {seed}, {path.relative_to(folder)}"
    assert min(outcomes.values()) > 2, outcomes  # how many there are is how fast the machine is


@pytest.mark.skipif(loader.backend() != "opencl", reason="about what the opencl engine's compiler says")
@pytest.mark.parametrize(
    "old, new, line",
    [
        ("product[i] = ", "product[i] = missing + ", 17),
        ("x_shape[2] *", "x_shape[2] * *", 15),
        ("const int i", "cnst int i", 14),
    ],
)
def test_damaged_kernels_that_are_compiled(tmp_path, old, new, line):
    shutil.copytree(MIX, tmp_path / "mix")
    path = tmp_path / "mix" / "shaders" / "mix" / "product.metal"
    path.write_text(path.read_text().replace(old, new))
    op = loader.load(tmp_path / "mix" / "manifest.yaml")["mix"]
    with pytest.raises(loader.CompileError, match=rf"shaders/mix/product.metal:{line}:\d+: error: "):
        op(mx.ones((1, 2, 4)), mx.ones((4,)))
