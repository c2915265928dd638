"""loader.patch_mlx_lm where mlx-lm is not; with it, tests/peers has the tests."""

import subprocess
import sys

import pytest

import loader


def test_mlx_lm_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlx_lm", None)
    message = r"\[patch_mlx_lm\] expected mlx-lm to be installed but there is no module mlx_lm: pip install 'mlx-lm=="
    with pytest.raises(ImportError, match=message):
        loader.patch_mlx_lm()
    with pytest.raises(ImportError, match=message), loader.patched_mlx_lm():
        raise AssertionError("the context must not be entered")


def test_nothing_to_unpatch():
    loader.unpatch_mlx_lm()


def test_importing_the_package_does_not_import_mlx_lm():
    code = "import loader, sys; sys.exit('mlx_lm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
