"""Metal's text as tokens, without comments and preprocessor lines, and brackets among them."""

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+|\\\n)
    |(?P<comment>//(?:[^\n\\]|\\.|\\\n)*|/\*.*?(?:\*/|\Z))
    |(?P<directive>(?<![^\n])[ \t]*\#(?:\\\n|//|/\*.*?(?:\*/|\Z)|[^\n])*)
    |(?P<string>"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?)
    |(?P<number>\.?\d(?:[eEpP][+-]|[\w.'])*)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<sign>->|::|<<=|>>=|<<|&&|\|\||[-+*/%&|^!=<>]=|\+\+|--|.)""",
    re.DOTALL | re.VERBOSE,
)
_DIRECTIVE = re.compile(r"\s*#(?:\\\n|[^\n])*")
_DEFINE = re.compile(r"\s*#\s*define\s+\w+(?:\([^)]*\))?")
# A number that C++ takes for a double.
FLOAT = re.compile(r"(\d[\d']*\.[\d']*|\.\d[\d']*)([eE][+-]?\d+)?$|\d[\d']*[eE][+-]?\d+$")
_PAIRS = {"(": ")", "[": "]", "{": "}", "[[": "]]"}


class Token(NamedTuple):
    """`kind` is word, number, string or sign; `[[` and `]]` around attributes are one token each."""

    kind: str
    text: str
    start: int
    end: int


def tokenize(text, directives=None):
    """The tokens of a text; `directives` gets the (start, end) of each preprocessor line."""
    tokens, at = [], 0
    while at < len(text):
        # A directive may be indented: it is looked for at the start of its line, before the space.
        match = _TOKEN.match(text, at)
        kind = match.lastgroup
        if kind == "space" and "\n" in match[0] and text[match.end() : match.end() + 1] == "#":
            kind, match = "directive", _DIRECTIVE.match(text, at)
        if kind not in ("space", "comment", "directive"):
            tokens.append(Token(kind, match[0], match.start(), match.end()))
        elif kind == "directive" and directives is not None:
            directives.append(match.span())
        at = match.end()
    return _attributes(tokens)


def macro_bodies(text, directives):
    """The tokens of what each `#define` among the directives stands for."""
    for start, end in directives:
        define = _DEFINE.match(text, start, end)
        if define:
            yield [Token(t.kind, t.text, t.start + define.end(), t.end + define.end())
                   for t in tokenize(text[define.end() : end])]  # fmt: skip


def _attributes(tokens):
    """Join the brackets around attributes; `a[b[0]]` keeps its own."""
    joined, open_brackets, i = [], [], 0
    while i < len(tokens):
        token, after = tokens[i], tokens[i + 1] if i + 1 < len(tokens) else None
        adjacent = after is not None and after.start == token.end and after.text == token.text
        if token.text == "[" and adjacent and (not joined or joined[-1].kind != "word" or not open_brackets):
            token = Token("sign", "[[", token.start, after.end)
        elif token.text == "]" and adjacent and open_brackets and open_brackets[-1] == "[[":
            token = Token("sign", "]]", token.start, after.end)
        if token.text in ("[", "[["):
            open_brackets.append(token.text)
        elif token.text in ("]", "]]") and open_brackets:
            open_brackets.pop()
        joined.append(token)
        i += 2 if token.text in ("[[", "]]") else 1
    return joined


def closing(tokens, i):
    """The index of the bracket that closes the one at `i`, or the last index."""
    opening, closer = tokens[i].text, _PAIRS[tokens[i].text]
    depth = 0
    for j in range(i, len(tokens)):
        depth += (tokens[j].text == opening) - (tokens[j].text == closer)
        if depth == 0:
            return j
    return len(tokens) - 1


def closing_angle(tokens, i):
    """The index of the `>` that closes the `<` at `i`, or -1 where it is a comparison."""
    depth = nested = 0
    for j in range(i, len(tokens)):
        text = tokens[j].text
        nested += (text in "([{") - (text in ")]}")
        if nested < 0 or text == ";" or (text == "{" and nested == 1):
            return -1
        if nested == 0:
            depth += (text == "<") - (text == ">")
            if depth == 0:
                return j
    return -1


def split(tokens):
    """Runs of tokens between the commas that stand outside any bracket."""
    parts, depth = [[]], 0
    for token in tokens:
        depth += (token.text in ("(", "[", "{", "<", "[[")) - (token.text in (")", "]", "}", ">", "]]"))
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]
