"""Kernels of packages that others publish, on the opencl engine. `make peers` runs them, with the extra `peers`."""

import subprocess
import sys
import tarfile

import mlx.core as mx
import peer
import pytest

peer.load()


@pytest.fixture(autouse=True)
def reproducible():
    """The same numbers in every run; and mlx-lm's compiled functions op by op, which needs no C++ compiler."""
    mx.random.seed(0)
    mx.disable_compile()
    yield
    mx.enable_compile()


@pytest.fixture(autouse=True)
def short_texts(monkeypatch):
    """Convolutions of a few steps by our op too: the texts of tiny models have no more."""
    monkeypatch.setattr("loader.integrations.recurrences._FEWEST_STEPS", 2)


@pytest.fixture
def sdist(request, tmp_path):
    """A function of a package and its version: the folder of its sdist, unpacked; pytest's cache keeps the archive."""

    def unpack(package, version):
        folder = f"{package.replace('-', '_')}-{version}"
        archive = request.config.cache.mkdir("sdists") / f"{folder}.tar.gz"
        if not archive.exists():
            options = ["--quiet", "--no-deps", "--no-binary", package, "--dest", archive.parent]
            subprocess.run([sys.executable, "-m", "pip", "download", *options, f"{package}=={version}"], check=True)
        with tarfile.open(archive) as files:
            # Python before 3.11.4 has no filters.
            files.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        return tmp_path / folder

    return unpack
