"""The generated docs: they are up to date and match the manifest, and the check notices if they do not."""

import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

import loader
from loader import manifest
from loader.call import signature
from tools.docs import __main__ as docs
from tools.docs import api, page, speed, svg, table

ROOT = Path(__file__).parents[1]
MIX = Path(__file__).parent / "manifests" / "mix" / "manifest.yaml"


def test_docs_are_up_to_date():
    stale = [str(path.relative_to(ROOT)) for path in docs.changes(ROOT)]
    assert not stale, f"{', '.join(stale)}: run python -m tools.docs"


def test_a_page_has_every_array_kernel_and_condition(op):
    text = (ROOT / f"docs/ops/{op.spec.name}.md").read_text()
    picture = (ROOT / f"docs/ops/{op.spec.name}.svg").read_text()
    general = op.spec.variants[-1]
    assert op.spec.summary in text and f"({op.spec.name}.svg)" in text
    for array in (*op.spec.inputs, *op.spec.outputs, *op.spec.options, *general.saved, *general.workspace):
        assert f"`{array.name}`" in text
    for variant in op.spec.variants[:-1]:
        assert f"| `{variant.when}` |" in text
    for step in op.spec.steps:
        assert f"(../../shaders/{step.kernel}.metal)" in text
    for step in (*general.forward, *general.backward):
        assert all(name in picture for name in (*step.reads, *step.makes))
    assert f"[`{op.spec.name}`](docs/ops/{op.spec.name}.md)" in (ROOT / "README.md").read_text()


def test_a_page_is_short(op):
    assert len((ROOT / f"docs/ops/{op.spec.name}.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.svg")), ids=lambda path: path.stem)
def test_a_picture_is_xml_and_holds_its_text(path):
    """Nothing lies outside of the picture: neither a box nor a line of text."""
    root = ElementTree.parse(path).getroot()
    width, height = (float(root.get(side)) for side in ("width", "height"))
    for shape in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert float(shape.get("x", 0)) + float(shape.get("width")) <= width
        assert float(shape.get("y", 0)) + float(shape.get("height")) <= height
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        end = float(text.get("x")) + (0 if "end" in text.get("class", "") else len(text.text) * svg.LETTER)
        assert end <= width + svg.LETTER and float(text.get("y")) <= height, text.text


def test_a_page_of_every_key(tmp_path):
    bench = tmp_path / "mix.md"
    bench.write_text("| ours | 1 ms |\n")
    spec = manifest.load(MIX)["mix"]
    text = page.write(spec, bench)
    for part in (
        f"```text\nmix{signature(spec)}\n```",
        "| `w` | `[D]` or `[L, D]` | `float` | |",
        "| `scale` |  | float | keyword, `1.0` by default. |",
        "- `D % 2 == 0`, or ValueError: expected D to be even.",
        "x = mx.random.normal((2, 64, 34))  # [B, L, D]\nw = mx.random.uniform(0.5, 1.5, (34,))  # [D]",
        "| `ndim(w) == 2` | `mix/product`, `mix/finish` | `mix/backward`, sum over axis 0 |",
        "Constants: `SIZE = B * L * D`, `THREADS = 64`.",
        "| bfloat16 | 0.02 | squares double the rounding of the input |",
        "## Timings\n\n| ours | 1 ms |\n",
    ):
        assert part in text


@pytest.fixture
def checkout(tmp_path):
    """A copy of the docs and of their sources."""
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
    with pytest.raises(table.Missing, match="one line <!-- ops --> .* put them back"):
        table.update("# no table\n", "ops", "")


def test_speed_follows_the_figures():
    """The picture and README's table change with docs/performance.md."""
    figures = (ROOT / "docs/performance.md").read_text()
    first = table.read(figures, speed.GPU)[0]
    changed = figures.replace(f"| {first['now']} |", "| 0.123 / 4.56 |")
    assert first["now"] in speed.of_gpu(figures) and "0.123 / 4.56" in speed.of_gpu(changed)
    assert ">0.123<" in speed.draw(changed) and ">0.123<" not in speed.draw(figures)
    with pytest.raises(table.Missing, match=f"a table below '{speed.GPU}'"):
        speed.draw("# Performance\n")


def test_the_api_has_every_public_name():
    text = (ROOT / "docs/api.md").read_text()
    for name in loader.__all__:
        assert f"### loader.{name}\n" in text or f"- `loader.{name}`" in text


def test_docstrings_become_markdown():
    assert api._markdown("a*b of __x__ [B, L], `c*d`.\n\n    x = 1\n\nEnd.") == (
        "a\\*b of \\_\\_x\\_\\_ \\[B, L], `c*d`.\n\n```text\nx = 1\n```\n\nEnd."
    )


def test_papers_on_arxiv_are_links():
    assert table.linked("A, arXiv:2402.19427, eq. 4") == (
        "A, [arXiv:2402.19427](https://arxiv.org/abs/2402.19427), eq. 4"
    )
