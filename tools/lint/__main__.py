"""python -m tools.lint: checks Metal kernels without Apple's compiler.

It loads the manifest and compares it with the kernel files. It parses every kernel for each dtype and set of constants
that the manifest uses, as written and as the translation unit that MLX hands to Apple's compiler, with small inputs,
which arrive as `constant`, too. It applies the rules of the project and checks the layout. Files of no manifest, other
people's too, get the rules for any Metal file, and with --style those of style.

Waive a finding on its line with: // lint: allow RULE reason. A folder with a file .lintignore is left out.
"""

import argparse
import os
import sys
from pathlib import Path

from . import report
from .finding import Finding, LintError
from .guard import INTERNAL
from .options import Options

_LIMITS = """limits:
  clang stands in for Apple's front-end. Races are not found, but for a shared slot that is read with no barrier
  since another thread wrote it. Of Apple's limits of code generation only registers, with --registers, which counts
  them with another compiler; not the size of a pipeline, not occupancy.
exit code:
  0 nothing found, 1 findings, 2 something was not checked, which a finding `file` or `internal` names"""


def main(argv=None):
    """The exit code."""
    parser = argparse.ArgumentParser(
        "python -m tools.lint", description=__doc__, epilog=_LIMITS, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("paths", nargs="*", default=["."], help=".metal files, manifests, folders (default: here)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="findings as a JSON list")
    form.add_argument("--github", action="store_true", help="findings as annotations of a pull request")
    parser.add_argument("--fix", action="store_true", help="lay files out with clang-format first")
    parser.add_argument("--registers", action="store_true", help="count registers too: minutes, needs the extra nvrtc")
    parser.add_argument("-I", dest="include", action="append", default=[], metavar="DIR", help="a folder of headers")
    parser.add_argument("-D", dest="define", action="append", default=[], metavar="NAME[=VALUE]", help="a macro")
    parser.add_argument("--style", action="store_true", help="style findings in files of no manifest too")
    parser.add_argument("--rules", action="store_true", help="list the rules: why, and what to do")
    options = parser.parse_args(argv)
    if options.rules:
        print(report.rules())
        return 0
    try:
        from . import run

        include = tuple(Path(folder).resolve() for folder in options.include)
        asked = Options(include, tuple(options.define), options.style, options.registers)
        findings, notes = run.report(options.paths, options.fix, asked)
    except LintError as error:
        findings = [Finding(".", 1, 1, INTERNAL, str(error))] if options.json else []
        print(f"[lint] {error}", file=sys.stderr)
        unchecked, notes = True, []
    else:
        unchecked = any(finding.rule in ("file", INTERNAL) for finding in findings)
    _show(findings, options)
    for note in notes:
        print(f"{note.file}: not checked: {note.message}", file=sys.stderr)
    return 2 if unchecked else 1 if findings else 0


def _show(findings, options):
    if options.json:
        print(report.as_json(findings))
    elif findings:
        print(report.github(findings) if options.github else report.text(findings))
    if findings and not options.json:
        files = len({finding.file for finding in findings})
        print(f"{len(findings)} findings in {files} files; --rules says why and what to do", file=sys.stderr)


if __name__ == "__main__":
    # No kernel runs here, so the loader needs no engine.
    os.environ.setdefault("LOADER_BACKEND", "reference")
    sys.exit(main())
