"""Shapes of an SVG picture, as strings of XML. Pictures are white where the page is dark."""

from xml.sax.saxutils import escape

# The advance of a letter of the 12 px monospace font, and the distance of lines, in pixels.
LETTER, LINE = 7.3, 17
INK, LINK, FILL = "#24292f", "#57606a", "#eef3fb"

_STYLE = (
    f"text {{ font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: {INK} }} .title {{ "
    f"font-weight: bold }} .faint {{ fill: {LINK} }} .middle {{ text-anchor: middle }} .end {{ text-anchor: end }}"
)


def document(width, height, title, shapes):
    """The picture as text; `title` is what a screen reader says."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">'
    )
    arrow = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        f'<path d="M0 0 L8 4 L0 8 z" fill="{LINK}"/></marker></defs>'
    )
    lines = [head, f"<title>{escape(title)}</title>", f"<style>{_STYLE}</style>", arrow]
    lines.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    return "\n".join([*lines, *shapes, "</svg>"]) + "\n"


def text(x, y, words, kind=""):
    """A line of text whose baseline starts at (x, y); `kind` is title, faint, middle or end, or several of these."""
    kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{kind}>{escape(words)}</text>'


def box(x, y, width, height, fill=FILL):
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="4" fill="{fill}" stroke="{LINK}"/>'


def bar(x, y, width, height, fill):
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"/>'


def line(x1, y1, x2, y2, dashed=False):
    dashes = ' stroke-dasharray="4 3"' if dashed else ""
    return f'<path d="M{x1:g} {y1:g} L{x2:g} {y2:g}" stroke="{LINK}"{dashes}/>'


def arrow(*points):
    """An arrow along points (x, y)."""
    path = " L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path d="M{path}" fill="none" stroke="{LINK}" marker-end="url(#tip)"/>'
