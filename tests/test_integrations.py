"""loader.patch_mlx_lm and patch_mlx_vlm without these packages; tests/peers tests them with the packages."""

import subprocess
import sys

import pytest

import loader


@pytest.mark.parametrize("name", ["mlx_lm", "mlx_vlm"])
def test_the_package_missing(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    package = name.replace("_", "-")
    message = (
        rf"\[patch_{name}\] expected {package} to be installed but there is no module {name}: pip install '{package}=="
    )
    with pytest.raises(ImportError, match=message):
        getattr(loader, f"patch_{name}")()
    with pytest.raises(ImportError, match=message), getattr(loader, f"patched_{name}")():
        raise AssertionError("the context must not be entered")


def test_nothing_to_unpatch():
    loader.unpatch_mlx_lm()
    loader.unpatch_mlx_vlm()


def test_importing_the_package_imports_neither():
    code = "import loader, sys; sys.exit('mlx_lm' in sys.modules or 'mlx_vlm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
