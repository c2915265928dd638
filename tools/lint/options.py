"""What lint is told on its command line of the files it checks."""

from pathlib import Path
from typing import NamedTuple

# Metal's library as clang takes it, by the path alone: lint runs while the package cannot be imported.
HEADERS = Path(__file__).parents[2] / "loader/portable/include"
LIBRARY = HEADERS / "library"
DIALECT = HEADERS / "dialects/check"
CLANG = HEADERS / "dialects/clang"
# <loader/...>, the project's own helpers.
HELPERS = Path(__file__).parent / "include"
# Where clang looks for headers, in order.
FOLDERS = (DIALECT, HEADERS / "names", HELPERS)


class Options(NamedTuple):
    """`include` are folders of headers, `define` macros as NAME or NAME=VALUE; `style` wants style findings in files
    of no manifest too, `registers` the count of every kernel's registers, which takes minutes."""

    include: tuple = ()
    define: tuple = ()
    style: bool = True
    registers: bool = False


DEFAULT = Options()
