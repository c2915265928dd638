"""Facts about the machine that its figures depend on."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import mlx.core as mx

import loader

_PACKAGES = ("mlx", "metal-recurrence", "mlx-recurrence", "mlx-lm", "numpy")
_ROOT = Path(__file__).parents[2]


def facts():
    """A dict that JSON can hold."""
    return {
        "system": platform.platform(),
        "macos": platform.mac_ver()[0] or None,
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "backend": loader.backend(),
        "gpu": {key: value for key, value in mx.device_info().items() if isinstance(value, (str, int, float))},
        "commit": _said("git", "-C", str(_ROOT), "rev-parse", "HEAD"),
        "changed_files": _said("git", "-C", str(_ROOT), "status", "--porcelain"),
        "metal_compiler": _said("xcrun", "-sdk", "macosx", "metal", "--version"),
        "swift_compiler": _said("xcrun", "swiftc", "--version"),
    }


def _version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _said(*command):
    """The output of a command, or None if it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
