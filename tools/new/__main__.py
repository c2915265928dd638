"""Make a working op to edit: kernels, manifest entry, reference and NumPy twin. In this repository it also has
golden units and a docs page; --into makes it in a project of your own."""

import argparse
from pathlib import Path

from . import project, write

ROOT = write.ROOT
NEXT = "next: edit shaders/{0}/ with `python -m tools.watch {0}` running beside it; CONTRIBUTING.md has the rest"


INTO = """next:
  python -m pip install --editable '{folder}[test]' && python -m pytest {folder}
  python -m tools.lint {folder}
then edit {package}/shaders/{name}/ and the rest; `loader.testing.parity` says what is wrong by how much"""


def main():
    options = parse()
    if options.into:
        return into(options.into, options.name, options.like)
    try:
        write.check(ROOT, options.name)
        made = write.sources(ROOT, options.name, options.like)
    except write.NewError as error:
        raise SystemExit(f"[new] {error}") from None
    try:
        made += write.generated(ROOT, options.name)
    except write.NewError as error:
        raise SystemExit(f"{report(options.name, made)}\n\n[new] {error}") from None
    print(f"{report(options.name, made)}\n\n{NEXT.format(options.name)}")


def into(folder, name, kind):
    """Make the op in a project of the user's."""
    try:
        package = project.check(folder, name)
    except write.NewError as error:
        raise SystemExit(f"[new] {error}") from None
    made = project.sources(folder, name, kind, package)
    lines = [f"made {name} in {folder}:", *(f"  {path}" for path in made), ""]
    print("\n".join([*lines, INTO.format(folder=folder, package=package, name=name)]))


def parse():
    parser = argparse.ArgumentParser(prog="python -m tools.new", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="the new op's name: small letters, digits and _")
    parser.add_argument(
        "--like",
        required=True,
        choices=write.kinds(),
        help="diagonal: a decay and an input a channel, [B, L, D]; matrix: a state of keys by values a head, "
        "[B, L, H, Dk] and [B, L, H, Dv]",
    )
    parser.add_argument("--into", type=Path, metavar="DIR", help="a project of your own, made where there is none")
    return parser.parse_args()


def report(name, made):
    """The files made and extended, and how to undo it."""
    folder = f"shaders/{name}"
    remove = [folder, *(path for path in made if not path.startswith(f"{folder}/"))]
    lines = [f"made {name}:", *(f"  {path}" for path in made)]
    lines += ["added to:", *(f"  {path}" for path in write.EXTENDED), ""]
    lines += [f"to undo: delete {name} from {' and '.join(write.EXTENDED)}, then"]
    return "\n".join([*lines, f"  rm -r {' '.join(remove)} && python -m tools.docs"])


if __name__ == "__main__":
    main()
