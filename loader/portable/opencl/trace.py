"""Accesses of a kernel by subscript, written to a log by the kernel itself: what threads do to each other's elements.

`instrument` rewrites a body so that each `name[index]` is logged; `findings` reads the log of one run.
"""

import re
from dataclasses import dataclass, replace

import numpy as np

from ..text import blank, edit

_SIMDGROUP = 32
RECORDS, WORDS, HEAD = 1 << 18, 7, 8
BYTES = 4 * (HEAD + RECORDS * WORDS)
_READ, _WRITTEN, _BOTH, _OVERRUN, _SHARED = 1, 2, 3, 4, 16
_REDUCTION = re.compile(r"\bsimd_(sum|product|max|min|and|or|xor)\s*\(")
_NAME = re.compile(r"(?<![\w.:#])(?<!->)([A-Za-z_]\w*)\s*\[(?!\[)")
_KEYWORDS = {"return", "else", "do", "case", "in"}
# The beginning of a statement that declares several names: a type, and the first of them.
_DECLARED = re.compile(r"\s*(?!return\b)(?:[A-Za-z_][\w:]*(?:\s*<[^;]*?>)?\s+)+[*&]?\w+\s*[\[,=]")
_MEMBERS = re.compile(r"\s*(?:\.\s*\w+\s*)*")
# After an element: what makes a part of it more than a value. Before it: a reference that takes it.
_MORE = re.compile(r"\s*(?:\[|\(|->)")
_REFERENCE = re.compile(r"&\s*\w+\s*[={(]\s*\Z")
# How far before an element all lies that tells whether a reference takes it.
_NEAR = 200
_CHANGE = re.compile(r"(?:[-+*/%&|^]|<<|>>)=|\+\+|--")
_SIDE_EFFECT = re.compile(r"\+\+|--|(?<![=!<>])=(?!=)")


_MARK = re.compile(r'^#line (\d+) "([^"\n]+)"$', re.MULTILINE)


@dataclass(frozen=True)
class Site:
    """One subscript: what is subscripted, and where, as "line 3"; how many subscripts it has, 0 where the log may not
    tell all that becomes of the element."""

    name: str
    place: str
    subscripts: int = 0


def instrument(source, first=0, of=""):
    """(the source with each subscript logged, the Sites of them by number, from `first` on). `of` says what the lines
    are those of, where no #line marks do."""
    text = blank(source, re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE))
    edits, sites = [], []
    for match in _NAME.finditer(text):
        opening, end = _last_subscript(text, match.end() - 1)
        base, index = source[match.start() : opening], source[opening + 1 : end - 1]
        if not index.strip() or _SIDE_EFFECT.search(base + index) or is_declaration(text, match.start()):
            continue
        kind = _kind(text, match.start(), end)
        if kind:
            site = f"metal::touched({' '.join(base.split())}, "
            edits += [(opening + 1, opening + 1, site), (end - 1, end - 1, f", {first + len(sites)}u, {kind}u, 0)")]
            count = _subscripts(text, match, end)
            sites.append(Site(match[1], _place_of(source, match.start(), of), count))
    return edit(source, edits), sites


def _subscripts(text, match, end):
    """How many subscripts a name has up to `end`, or 0 where a reference or a member's own subscript goes on."""
    is_more = _MORE.match(text, _MEMBERS.match(text, end).end()) or _REFERENCE.search(
        text, max(0, match.start() - _NEAR), match.start()
    )
    depth = count = 0
    for sign in text[match.end() - 1 : end]:
        count += sign == "[" and depth == 0
        depth += (sign == "[") - (sign == "]")
    return 0 if is_more else count


def _place_of(source, position, of):
    """The line that holds a position, by the last #line mark before it."""
    marks = [mark for mark in _MARK.finditer(source, 0, position)]
    if not marks:
        return f"line {source.count(chr(10), 0, position) + 1}{of}"
    line = int(marks[-1][1]) + source.count("\n", marks[-1].end(), position) - 1
    return f"line {line} of {marks[-1][2]}"


def _last_subscript(text, opening):
    """(index of the bracket that opens the last of `[a][b]`, index after the bracket that closes it)."""
    while True:
        depth = 0
        for end in range(opening, len(text)):
            depth += (text[end] == "[") - (text[end] == "]")
            if depth == 0:
                break
        following = re.compile(r"\s*\[").match(text, end + 1)
        if not following:
            return opening, end + 1
        opening = following.end() - 1


def is_declaration(text, start):
    """Whether the name that starts there is declared there: it follows a type."""
    before = text[:start].rstrip()
    word = re.search(r"(\w+)\Z", before)
    if word:
        return word[1] not in _KEYWORDS
    if before.endswith(","):
        statement = re.split(r"[;{}]", before)[-1]
        return statement.count("(") == statement.count(")") and bool(_DECLARED.match(statement))
    return bool(re.search(r"\w\s*<[^;<>]*>\Z|\b(?:device|constant|thread|threadgroup)\b[^;=(]*[*&]\Z", before))


def _kind(text, start, end):
    """What becomes of the element between two offsets; 0 where its address is taken."""
    before = text[:start].rstrip()
    if re.search(r"(?:^|[(,=;{}]|\breturn)\s*&\Z", before):
        return 0
    after = _MEMBERS.match(text, end).end()
    if before.endswith(("++", "--")) or _CHANGE.match(text, after):
        return _BOTH
    return _WRITTEN if re.match(r"=(?!=)", text[after:]) else _READ


@dataclass(frozen=True)
class Launch:
    """What was run: `outputs` are (name, address, bytes, size of an element) of each, `threads` those of a group.
    `reduces` says whether the body reduces over simdgroups, with neither threadgroup memory nor atomics to go on;
    `followed` are the threadgroup arrays whose accesses are all in the log."""

    outputs: tuple
    threads: int
    reduces: bool
    followed: frozenset


def reduces(source):
    """Whether a body reduces over simdgroups, and has no way to bring their results together."""
    text = blank(source)
    return bool(_REDUCTION.search(text)) and not re.search(r"\bthreadgroup\b|\batomic", text)


def findings(log, sites, launch):
    """Sentences about the log of a Launch."""
    words = np.frombuffer(log, np.uint32)
    count = min(int(words[0]), RECORDS)
    rows = words[HEAD : HEAD + count * WORDS].reshape(-1, WORDS).astype(np.int64)
    events = dict(
        address=rows[:, 0] | rows[:, 1] << 32,
        group=rows[:, 2],
        thread=rows[:, 3] >> 8,
        kind=rows[:, 3] & 15,
        shared=(rows[:, 3] & _SHARED) > 0,
        barriers=rows[:, 4],
        site=rows[:, 5],
        index=rows[:, 6],
    )
    if words[0] > RECORDS:
        launch = replace(launch, followed=frozenset())
    for rule in (_overruns, _conflicts, _unwritten, _unread, _discarded):
        found = rule(events, sites, launch)
        if found:
            return found
    return []


def _overruns(events, sites, launch):
    """Arrays of threadgroups and of threads that are read or written outside of them."""
    found = {}
    for at in np.flatnonzero(events["kind"] == _OVERRUN):
        site = sites[events["site"][at]]
        index = int(np.int64(events["address"][at]))
        found.setdefault(
            site,
            f"out of bounds: {site.name}[{index}] in {site.place}, but {site.name} has "
            f"{events['barriers'][at]} elements{' of threadgroup memory' if events['shared'][at] else ''}",
        )
    return list(found.values())


def _conflicts(events, sites, launch):
    """Elements that two threads touch with nothing to order them, by the line of the second."""
    group = np.where(events["shared"], events["group"], -1)
    order = np.lexsort((np.arange(len(group)), events["address"], group))
    keys = np.stack([group[order], events["address"][order]])
    starts = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)]) if len(order) else []
    found = {}
    for start, end in zip(starts, [*starts[1:], len(order)]):
        if end - start > 1:
            run = order[start:end]
            conflict = _conflict({key: values[run] for key, values in events.items()})
            if conflict:
                what, at = conflict
                site = sites[events["site"][run[at]]]
                element = f"{site.name}[{events['index'][run[at]]}]"
                place = (
                    element
                    if events["shared"][run[at]]
                    else _place(element, events["address"][run[at]], launch.outputs)
                )
                found.setdefault((site, what), f"{place} in {site.place}: {_SENTENCES[what]}")
    return list(found.values())


_SENTENCES = {
    "lost": "two threads write it from what they read, and one update is lost; use an atomic, or one thread an element",
    "race": "a thread reads what another writes with no threadgroup_barrier(mem_flags::mem_threadgroup) in between",
}


def _conflict(events):
    """("lost" or "race", index of the event that shows it) among the events of one element, or None."""
    last_read, updated, written = {}, {}, {}
    for at in range(len(events["kind"])):
        kind, shared = events["kind"][at], events["shared"][at]
        thread = events["group"][at], events["thread"][at]
        epoch = (events["group"][at], events["barriers"][at])
        if kind & _WRITTEN:
            is_update = kind == _BOTH or last_read.get(thread) == epoch
            others = [who for who, when in written.items() if who != thread and _meet(who, when, thread, epoch)]
            if any(is_update or who in updated for who in others):
                return "lost", at
            if shared and _is_apart(last_read, thread, epoch):
                return "race", at
            if is_update:
                updated[thread] = epoch
            written[thread] = epoch
        if kind & _READ:
            if shared and _is_apart(written, thread, epoch):
                return "race", at
            last_read[thread] = epoch
    return None


def _is_apart(accesses, thread, epoch):
    """Whether a thread of another simdgroup, which runs at its own pace, made an access between the same barriers."""
    return any(who[1] // _SIMDGROUP != thread[1] // _SIMDGROUP and when == epoch for who, when in accesses.items())


def _unwritten(events, sites, launch):
    """Elements of threadgroup memory that a thread reads before any has written them, by line."""
    written, found = set(), {}
    for at in np.flatnonzero(events["shared"]):
        site, element = sites[events["site"][at]], (events["group"][at], events["address"][at])
        if site.name in launch.followed and events["kind"][at] & _READ and element not in written:
            what = f"{site.name}[{events['index'][at]}] in {site.place}"
            found.setdefault(site, f"{what}: it is read, and no thread has written it")
        if events["kind"][at] & _WRITTEN:
            written.add(element)
    return list(found.values())


def _unread(events, sites, launch):
    """What the last simdgroup, a partial one, put into threadgroup memory for nobody."""
    whole = launch.threads // _SIMDGROUP * _SIMDGROUP
    if launch.threads % _SIMDGROUP == 0 or not events["shared"].any():
        return []
    shared = np.flatnonzero(events["shared"])
    read = {(events["group"][i], events["address"][i]) for i in shared if events["kind"][i] & _READ}
    for i in shared:
        site = sites[events["site"][i]]
        is_read = any(sites[s].name == site.name for s in np.unique(events["site"][events["kind"] & _READ > 0]))
        place = events["group"][i], events["address"][i]
        if events["kind"][i] == _WRITTEN and events["thread"][i] >= whole and is_read and place not in read:
            return [
                f"{site.name}[{events['index'][i]}] in {site.place}: nobody reads what the last simdgroup writes, "
                f"which has {launch.threads - whole} of {_SIMDGROUP} threads: round the number of simdgroups up"
            ]
    return []


def _discarded(events, sites, launch):
    """A reduction over simdgroups of which one alone writes its result."""
    if not launch.reduces or launch.threads <= _SIMDGROUP:
        return []
    writes = np.flatnonzero(~events["shared"] & (events["kind"] & _WRITTEN > 0))
    writers = {(events["group"][i], events["thread"][i] // _SIMDGROUP) for i in writes}
    groups = {group for group, _ in writers}
    if not groups or len(writers) > len(groups) or any(which for _, which in writers):
        return []
    site = sites[events["site"][writes[0]]]
    return [
        f"{site.name} in {site.place}: of a threadgroup of {launch.threads} threads one simdgroup alone writes, "
        "and no threadgroup memory brings the others' results to it: simd_sum and its kind reduce over 32 threads"
    ]


def _meet(who, when, thread, epoch):
    """Whether nothing orders two writes: they are of different groups, or between the same barriers."""
    return who[0] != thread[0] or when == epoch


def _place(element, address, outputs):
    """An element by the name of its output, whatever pointer it was reached by."""
    for output, start, size, item in outputs:
        if start <= address < start + size:
            return f"{output}[{(address - start) // item}]"
    return element
