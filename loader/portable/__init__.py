"""Any Metal kernel on any engine. Metal's library, whose folders stand here, is written once in `library` and told to
each compiler by its dialect."""

from pathlib import Path

INCLUDE = Path(__file__).parent / "include"
LIBRARY = INCLUDE / "library"
# Metal's and MLX's own headers, each of which stands for all of the library.
NAMES = INCLUDE / "names"


def dialect(name: str) -> Path:
    """The folder that a compiler looks for `metal_stdlib` in: of `opencl`, `cuda` or `check`. In `clang` is what the
    first and the last have in common."""
    return INCLUDE / "dialects" / name
