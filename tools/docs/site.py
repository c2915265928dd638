"""mkdocs' hooks: the pages outside of docs/, and each file that a page links to, become pages of the site."""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
# Pages outside of docs/, and their paths in the site.
_ABOVE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "shaders/README.md": "shaders.md",
}
# What names a file's language for highlighting.
_LANGUAGES = {"metal": "cpp", "h": "cpp", "py": "python", "yaml": "yaml", "toml": "toml"}
_CODE_OR_LINK = re.compile(r"^ *```.*?^ *```$|`[^`\n]*`|(?<=\]\()(?!\w+:)[^)#\s]+", re.DOTALL | re.MULTILINE)


def on_config(config):
    """The ops' pages, in the navigation."""
    pages = sorted(f"ops/{path.name}" for path in Path(config.docs_dir).glob("ops/*.md"))
    for entry in config.nav:
        if "Ops" in entry:
            entry["Ops"] = pages
    return config


def on_files(files, config):
    """Add the pages outside of docs/, and one for each file of the repository that a page links to."""
    for name, uri in _ABOVE.items():
        files.append(File.generated(config, uri, content=(ROOT / name).read_text(encoding="utf-8")))
    pages = [file for file in files if file.is_documentation_page()]
    linked = {target for file in pages for target in _targets(file)}
    for path in sorted(target for target in linked if _is_source(target)):
        files.append(File.generated(config, _uri(path), content=_source(path)))
    return files


def on_page_markdown(markdown, page, **_):
    """Replace links to files of the repository by links to the site's pages."""
    if page.file.src_uri.startswith("source/"):
        return markdown
    return _CODE_OR_LINK.sub(lambda found: _relink(found[0], page.file.src_uri), markdown)


def _targets(file):
    """The files that a page links to, as paths from the root of the repository."""
    found = [match[0] for match in _CODE_OR_LINK.finditer(file.content_string)]
    return {_target(link, file.src_uri) for link in found if not link.lstrip().startswith("`")}


def _target(link, uri):
    origin = next((name for name, place in _ABOVE.items() if place == uri), f"docs/{uri}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))


def _relink(found, uri):
    if found.lstrip().startswith("`"):
        return found
    return posixpath.relpath(_uri(_target(found, uri)), posixpath.dirname(uri) or ".")


def _uri(path):
    """The site's path of a file of the repository. mkdocs leaves out names that begin with a dot."""
    if path in _ABOVE:
        return _ABOVE[path]
    visible = re.sub(r"(^|/)\.", r"\1", path)
    return path.removeprefix("docs/") if path.startswith("docs/") else f"source/{visible}.md"


def _is_source(path):
    return path not in _ABOVE and not path.startswith(("docs/", "..")) and (ROOT / path).exists()


def _source(path):
    """The page of a file, or of the names in a folder."""
    file = ROOT / path
    if file.is_dir():
        language, text = "text", "\n".join(sorted(each.name for each in file.iterdir()))
    else:
        language, text = _LANGUAGES.get(file.suffix[1:], "text"), file.read_text(encoding="utf-8")
    return f"---\nsearch: {{exclude: true}}\n---\n\n# {path}\n\n````{language}\n{text}\n````\n"
