"""Write what docs/ and README.md take from others: tables, the pages and pictures of the ops, the API, the speed."""

import argparse
import sys
from pathlib import Path

from loader import ManifestError, manifest

from . import api, diagram, overview, page, speed, table

ROOT = Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; say what is stale, and exit with 1")
    options = parser.parse_args()
    try:
        stale = changes(ROOT)
    except (ManifestError, table.Missing) as error:
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
    """The files that differ from what they are made from, with the text they should have, None for no file."""
    docs = root / "docs"
    want = _of_ops(root, docs)
    performance = (docs / "performance.md").read_text(encoding="utf-8")
    want[docs / "speed.svg"] = speed.draw(performance)
    want[docs / "architecture.svg"] = overview.draw()
    want[docs / "api.md"] = api.write()
    readme = (root / "README.md").read_text(encoding="utf-8")
    readme = table.update(readme, "ops", table.of_ops(manifest.load(root / "manifest.yaml").values()))
    want[root / "README.md"] = table.update(readme, "speed", speed.of_gpu(performance))
    return {path: text for path, text in sorted(want.items()) if text != _read(path)}


def _of_ops(root, docs):
    """A page and a picture an op; those of no op are to go."""
    want = {path: None for path in (docs / "ops").glob("*.*")}
    for spec in manifest.load(root / "manifest.yaml").values():
        want[docs / f"ops/{spec.name}.md"] = page.write(spec, docs / f"bench/{spec.name}.md")
        want[docs / f"ops/{spec.name}.svg"] = diagram.draw(spec)
    return want


def _read(path):
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    main()
