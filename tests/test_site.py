"""The documentation as a site: mkdocs builds it strictly, and Chromium sees every page, link and picture of it."""

import functools
import http.server
import importlib.util
import json
import queue
import shutil
import subprocess
import sys
import threading

import pytest
import yaml
from documents import PAGES, ROOT

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
builds = pytest.mark.skipif(not importlib.util.find_spec("mkdocs"), reason="mkdocs is in the extra docs")

# Visits every page in a frame, and posts what is missing: pages, links, places within a page, pictures.
VISIT = """<iframe id="frame" width="1200" height="900"></iframe><script>
const frame = document.getElementById("frame"), faults = [], ids = {}, links = [];
let pictures = 0;
async function visit(path) {
  await new Promise(done => { frame.onload = done; frame.src = path; });
  const page = frame.contentDocument;
  ids[path] = new Set([...page.querySelectorAll("[id]")].map(each => each.id));
  for (const image of page.images) {
    pictures++;
    await image.decode().catch(() => 0);
    if (!image.naturalWidth || !image.getBoundingClientRect().width) faults.push(`${path}: no picture ${image.src}`);
  }
  for (const link of page.querySelectorAll("article a[href], nav a[href]"))
    if (link.origin === location.origin) links.push([path, link.pathname, decodeURIComponent(link.hash.slice(1))]);
}
async function main() {
  const paths = await (await fetch("/paths.json")).json();
  for (const path of paths) await visit(path);
  for (const [from, to, id] of links) {
    const known = ids[to === "/" ? "/index.html" : to];
    if (!known && !(await fetch(to, {method: "HEAD"})).ok) faults.push(`${from}: no page ${to}`);
    if (known && id && !known.has(id)) faults.push(`${from}: no place ${to}#${id}`);
  }
  return {pages: paths.length, links: links.length, pictures, faults};
}
main().catch(error => ({faults: [String(error)]})).then(found =>
  fetch("/found", {method: "POST", body: JSON.stringify(found)}));
</script>"""

# A page on which all of that is missing, to see that it is found.
BROKEN = '<article><img src="none.png"><a href="none.html">none</a><a href="index.html#none">none</a></article>'
FAULTS = ["no picture {0}/none.png", "no page /none.html", "no place /index.html#none"]


class Handler(http.server.SimpleHTTPRequestHandler):
    """The site, and the answer of the page that visits it."""

    found = queue.Queue()

    def do_POST(self):
        self.found.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_every_page_is_in_the_navigation():
    def leaves(nav):
        for entry in nav:
            for value in entry.values() if isinstance(entry, dict) else (entry,):
                yield from leaves(value) if isinstance(value, list) else (value,)

    shown = set(leaves(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/") and "docs/ops/" not in page}
    assert pages | {"index.md", "contributing.md", "changelog.md", "shaders.md"} == shown


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@builds
def test_mkdocs_builds_strictly(site):
    assert (site / "index.html").is_file() and (site / "ops/gated_delta.html").is_file()
    assert (site / "source/manifest.yaml.html").is_file()


@builds
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (Debian: apt-get install chromium)")
def test_chromium_sees_every_page_link_and_picture(site, tmp_path):
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    paths = [f"/{page}" for page in pages if not page.startswith("source/")]  # those hold no link of ours
    paths.append("/broken.html")
    (site / "broken.html").write_text(BROKEN)
    (site / "paths.json").write_text(json.dumps(paths))
    (site / "visit.html").write_text(VISIT)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=site)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path}",
            "--remote-debugging-port=0",
        ]
        address = f"http://127.0.0.1:{server.server_port}"
        browser = subprocess.Popen([CHROMIUM, *options, f"{address}/visit.html"], stderr=subprocess.DEVNULL)
        try:
            found = Handler.found.get(timeout=300)
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
    assert found["faults"] == [f"/broken.html: {fault.format(address)}" for fault in FAULTS]
    assert found["pages"] == len(paths) and found["links"] > 500 and found["pictures"] > 10
