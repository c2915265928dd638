"""What lint is told on its command line of the files it checks."""

from pathlib import Path
from typing import NamedTuple

# The library's declarations.
INCLUDE = Path(__file__).parent / "include"


class Options(NamedTuple):
    """`include` are folders of headers, `define` macros as NAME or NAME=VALUE; `style` wants style findings in files
    of no manifest too."""

    include: tuple = ()
    define: tuple = ()
    style: bool = True


DEFAULT = Options()
