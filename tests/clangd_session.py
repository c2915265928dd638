"""A session with clangd, the language server of editors: its answers about a kernel, and a picture of them.

python tests/clangd_session.py        # writes docs/editor.png
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "shaders/rglru/forward.metal"
# The author types this; it is never saved.
TYPED = "    sum = simd_sum(sum);\n    simd_\n"
BEFORE = "    maps[slot] = affine_slice("


def tool():
    return shutil.which("clangd", path=str(Path(sys.executable).parent)) or shutil.which("clangd")


class Session:
    """clangd with one file open, as `text`; positions count lines and columns from 0."""

    def __init__(self, file, text):
        self.uri, self._count, self.diagnostics = file.as_uri(), 0, None
        self._process = subprocess.Popen(
            [tool(), "--background-index=false", "--log=error"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        markdown = {"hover": {"contentFormat": ["plaintext"]}, "completion": {"completionItem": {}}}
        self._ask("initialize", {"rootUri": ROOT.as_uri(), "capabilities": {"textDocument": markdown}})
        self._tell("initialized", {})
        document = {"uri": self.uri, "languageId": "cpp", "version": 1, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": document})
        # By then it has read the headers.
        while self.diagnostics is None:
            self._note(self._receive())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ask("shutdown", None)
        self._tell("exit", None)
        self._process.communicate(timeout=10)

    def hover(self, line, column):
        return self._at("hover", line, column)["contents"]["value"]

    def complete(self, line, column):
        """The labels on offer, best first."""
        items = self._at("completion", line, column)["items"]
        return [item["label"].strip() for item in sorted(items, key=lambda item: item["sortText"])]

    def wait_for_index(self, line, column, seconds=20):
        """The completions once the headers are indexed, which is shortly after they are read."""
        until = time.monotonic() + seconds
        while len(labels := self.complete(line, column)) < 5 and time.monotonic() < until:
            time.sleep(0.1)
        return labels

    def definition(self, line, column):
        """(file, line) that a name leads to."""
        place = self._at("definition", line, column)[0]
        return place["uri"].removeprefix("file://"), place["range"]["start"]["line"]

    def _at(self, what, line, column):
        position = {"textDocument": {"uri": self.uri}, "position": {"line": line, "character": column}}
        return self._ask(f"textDocument/{what}", position)

    def _ask(self, method, parameters):
        self._count += 1
        self._send({"id": self._count, "method": method, "params": parameters})
        while True:
            answer = self._receive()
            self._note(answer)
            if answer.get("id") == self._count and "method" not in answer:
                return answer["result"]

    def _note(self, message):
        if message.get("method") == "textDocument/publishDiagnostics":
            self.diagnostics = message["params"]["diagnostics"]

    def _tell(self, method, parameters):
        self._send({"method": method, "params": parameters})

    def _send(self, message):
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(content), content))
        self._process.stdin.flush()

    def _receive(self):
        length = 0
        while line := self._process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return json.loads(self._process.stdout.read(length))


def record():
    """(text as typed, line of the call, line being typed, hover, completions)."""
    text = FILE.read_text(encoding="utf-8")
    text = text.replace(BEFORE, TYPED + BEFORE)
    lines = text.splitlines()
    call = next(i for i, line in enumerate(lines) if "simd_sum" in line)
    with Session(FILE, text) as session:
        completions = session.wait_for_index(call + 1, len(lines[call + 1]))
        hover = session.hover(call, lines[call].index("simd_sum") + 2)
        return text, call, call + 1, hover, completions


def draw(path):
    """The session as a picture: the code, the completions below the cursor, the hover beside the call."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    fonts = Path(matplotlib.get_data_path()) / "fonts/ttf"
    font = ImageFont.truetype(fonts / "DejaVuSansMono.ttf", 20)
    text, call, typed, hover, completions = record()
    first, rows = call - 9, 26
    image = Image.new("RGB", (1700, 30 * rows), "#1e1e1e")
    pen = ImageDraw.Draw(image)
    for row, line in enumerate(text.splitlines()[first : first + rows]):
        pen.text((16, 30 * row + 4), f"{first + row + 1:4}  {line}", "#d4d4d4", font)
    top = 30 * (typed - first + 1)
    _box(pen, font, (150, top), completions[:9])
    _box(pen, font, (640, top), [line for line in hover.splitlines() if line.strip()][:9])
    image.save(path, optimize=True)


def _box(pen, font, corner, lines):
    width = max(pen.textlength(line, font) for line in lines) + 24
    left, top = corner
    pen.rectangle((left, top, left + width, top + 28 * len(lines) + 12), "#252526", "#6b6b6b")
    for i, line in enumerate(lines):
        pen.text((left + 12, top + 28 * i + 6), line, "#9cdcfe" if i == 0 else "#d4d4d4", font)


if __name__ == "__main__":
    draw(ROOT / "docs/editor.png")
