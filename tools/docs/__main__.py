"""Write the op table of README.md and a page an op in docs/ops/ from manifest.yaml."""

import argparse
import sys
from pathlib import Path

from loader import ManifestError, manifest

from . import page, table

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; say what is stale, and exit with 1")
    options = parser.parse_args()
    try:
        stale = changes(ROOT)
    except (ManifestError, table.NoMarkers) as error:
        raise SystemExit(f"[docs] {error}") from None
    if options.check:
        for path in stale:
            print(f"{path.relative_to(ROOT)}: stale; run python -m tools.docs and commit what it writes")
        sys.exit(1 if stale else 0)
    for path, text in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink() if text is None else path.write_text(text, encoding="utf-8")
        print(f"{'removed' if text is None else 'wrote'} {path.relative_to(ROOT)}")


def changes(root):
    """The files that differ from what the manifest says, with the text they should have, None for no file."""
    ops = manifest.load(root / "manifest.yaml").values()
    readme, pages = root / "README.md", root / "docs" / "ops"
    want = {pages / f"{spec.name}.md": page.write(spec, root / "docs" / "bench" / f"{spec.name}.md") for spec in ops}
    want[readme] = table.update(readme.read_text(encoding="utf-8"), ops)
    want |= dict.fromkeys(set(pages.glob("*.md")) - set(want))
    return {path: text for path, text in sorted(want.items()) if text != _read(path)}


def _read(path):
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    main()
