"""Build the distributions, install them into empty environments, and run an op there.

The wheel is built from the sdist. It is tested with each Python from 3.10 to 3.13 on the PATH, the sdist with the first
of them. The output names missing Pythons. The files stay in dist/.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.10", "3.11", "3.12", "3.13")
# Runs without access to the checkout: it reads every kernel with its headers, and runs one op.
SMOKE = """
import loader, mlx.core as mx
from importlib.metadata import version
assert version("metal-recurrence") == {version!r}, version("metal-recurrence")
assert {root!r} not in loader.__file__, loader.__file__
for name in loader.names():
    loader.get(name, backend="metal")
rglru = loader.get("rglru")
a, b = mx.random.uniform(shape=(1, 9, 3)), mx.random.normal((1, 9, 3))
loss = lambda f: mx.grad(lambda a, b: f(a, b).square().sum(), argnums=(0, 1))(a, b)
for got, want in zip(loss(rglru), loss(rglru.reference)):
    assert mx.allclose(got, want, atol=1e-5)
print(len(loader.names()), "ops on", loader.backend())
"""


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.add_argument("--extra", default="cpu", help="what is installed along (default: %(default)s)")
    parser.add_argument("--version", metavar="TAG", help="refuse to build anything but this, as v0.2.0")
    options = parser.parse_args()
    sdist, wheel = build()
    version = wheel.name.split("-")[1]
    if options.version and options.version.removeprefix("v") != version:
        raise SystemExit(f"[release] expected {options.version} but the version is {version}; change one of them.")
    check(wheel)
    files = [wheel, sdist]
    for python, path in pythons().items():
        if path is None:
            print(f"Python {python}: not here, not tried")
            continue
        for file in files:
            print(f"Python {python}, {file.name}: {smoke(path, file, options.extra, version)}", flush=True)
        files = [wheel]


def build():
    """The sdist and the wheel, which is built from the sdist."""
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    run([sys.executable, "-m", "build", "--outdir", ROOT / "dist", ROOT])
    (sdist,), (wheel,) = (sorted((ROOT / "dist").glob(pattern)) for pattern in ("*.tar.gz", "*.whl"))
    return sdist, wheel


def check(wheel):
    """Raise unless the wheel has every file of the package, every shader and every header."""
    with zipfile.ZipFile(wheel) as files:
        missing = contents() - set(files.namelist())
    if missing:
        raise SystemExit(f"[release] expected {wheel.name} to have {', '.join(sorted(missing))}.")


def contents():
    """The files that the wheel must hold: the package, the manifest and the shaders."""
    found = {"loader/manifest.yaml"}
    for folder, place in (("loader", "loader"), ("shaders", "loader/shaders")):
        files = (path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
        found |= {f"{place}/{path.relative_to(ROOT / folder).as_posix()}" for path in files}
    return found


def pythons():
    """The interpreter of each version, or None if none starts."""
    found = {version: shutil.which(f"python{version}") for version in VERSIONS}
    return {
        version: path if path and subprocess.run([path, "-c", ""], capture_output=True).returncode == 0 else None
        for version, path in found.items()
    }


def smoke(python, file, extra, version):
    """The output of SMOKE in an empty environment with a distribution installed."""
    with tempfile.TemporaryDirectory() as folder:
        run([python, "-m", "venv", "--without-pip", folder])
        inside = Path(folder) / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--python", inside, "--disable-pip-version-check"]
        run([*pip, "install", "--quiet", "--no-compile", f"{file}[{extra}]"])
        code = SMOKE.format(version=version, root=str(ROOT))
        return run([inside, "-I", "-c", code], cwd=folder).strip()


def run(command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(f"[release] {' '.join(map(str, command[:4]))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
