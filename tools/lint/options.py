"""What lint is told on its command line of the files it checks."""

from pathlib import Path
from typing import NamedTuple

# The library's declarations.
INCLUDE = Path(__file__).parent / "include"


class Options(NamedTuple):
    """`include` are folders of headers, `define` macros as NAME or NAME=VALUE; `style` wants style findings in files
    of no manifest too, `registers` the count of every kernel's registers, which takes minutes."""

    include: tuple = ()
    define: tuple = ()
    style: bool = True
    registers: bool = False


DEFAULT = Options()
