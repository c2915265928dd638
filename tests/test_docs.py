"""The generated docs: they are up to date, say what the manifest says, and notice where they do not."""

import shutil
from pathlib import Path

import pytest

import loader
from loader import manifest
from tools.docs import __main__ as docs
from tools.docs import page, table

ROOT = Path(__file__).parents[1]
MIX = Path(__file__).parent / "manifests" / "mix" / "manifest.yaml"


def test_docs_are_up_to_date():
    stale = [str(path.relative_to(ROOT)) for path in docs.changes(ROOT)]
    assert not stale, f"{', '.join(stale)}: run python -m tools.docs"


def test_a_page_has_every_array_kernel_and_bound(op):
    text = (ROOT / f"docs/ops/{op.spec.name}.md").read_text()
    assert op.spec.summary in text
    for variant in op.spec.variants:
        names = [array.name for array in (*op.spec.inputs, *op.spec.outputs, *variant.saved, *variant.workspace)]
        assert all(f"`{name}`" in text and f"([{name}])" in text for name in names)
    for step in op.spec.steps:
        assert f"(../../shaders/{step.kernel}.metal)" in text
    assert f"[`{op.spec.name}`](docs/ops/{op.spec.name}.md)" in (ROOT / "README.md").read_text()


def test_a_page_of_every_key(tmp_path):
    bench = tmp_path / "mix.md"
    bench.write_text("| ours | 1 ms |\n")
    text = page.write(manifest.load(MIX)["mix"], bench)
    for part in (
        "| `w` | `[D]` or `[L, D]` | float32, float16, bfloat16 | |",
        "| `scale` | float | `1.0` |",
        "- `D % 2 == 0`, else: expected D to be even.",
        "## Steps where `ndim(w) == 2`\n\nConstants: `SIZE = B * L * D`, `THREADS = 32`.",
        'backward1["sum over axis 0"]',
        "| bfloat16 | 0.02 | squares double the rounding of the input |",
        "## Timings\n\n| ours | 1 ms |\n",
    ):
        assert part in text


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the docs are made from and of the docs."""
    for path in ("README.md", "manifest.yaml"):
        shutil.copy(ROOT / path, tmp_path)
    for folder in ("shaders", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def test_what_is_stale_is_found_and_mended(checkout):
    name = loader.names()[0]
    left_over = checkout / "docs/ops/gone.md"
    left_over.write_text("# gone\n")
    text = (checkout / "manifest.yaml").read_text()
    (checkout / "manifest.yaml").write_text(text.replace("h[t-1]", "h[t - 1]", 1))
    found = docs.changes(checkout)
    assert set(found) == {checkout / "README.md", checkout / f"docs/ops/{name}.md", left_over}
    assert found[left_over] is None


def test_check_says_what_to_do(checkout, monkeypatch, capsys):
    (checkout / "docs/ops" / f"{loader.names()[0]}.md").unlink()
    monkeypatch.setattr(docs, "ROOT", checkout)
    monkeypatch.setattr("sys.argv", ["docs", "--check"])
    with pytest.raises(SystemExit, match="1"):
        docs.main()
    assert f"docs/ops/{loader.names()[0]}.md: stale; run python -m tools.docs" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["docs"])
    docs.main()
    assert docs.changes(checkout) == {}


def test_a_readme_without_markers_is_refused():
    with pytest.raises(table.NoMarkers, match="put them back"):
        table.update("# no table\n", ())


def test_papers_on_arxiv_are_links():
    assert table.linked("A, arXiv:2402.19427, eq. 4") == (
        "A, [arXiv:2402.19427](https://arxiv.org/abs/2402.19427), eq. 4"
    )
