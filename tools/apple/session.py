"""Runs a list of items and records the result of each, also of those that fail."""

import datetime
import json
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from . import machine, page

DONE, FAILED, SKIPPED = "done", "failed", "skipped"


class Skip(Exception):
    """An item cannot run on this machine. The message says what is missing."""


class Failure(Exception):
    """An item ran and its result is wrong. `result` is recorded; the message says what is wrong."""

    def __init__(self, message, result):
        super().__init__(message)
        self.result = result


@dataclass
class Item:
    """`run` returns a result that JSON can hold, or raises; `part` is its heading."""

    part: str
    name: str
    run: object


class Report:
    """The results so far, in two files that are rewritten after each item."""

    def __init__(self, output, dry_run):
        output.parent.mkdir(parents=True, exist_ok=True)
        self.json, self.markdown = (output.with_name(f"{output.name}.{kind}") for kind in ("json", "md"))
        self.content = {
            "edition": 1,
            "dry_run": dry_run,
            "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "machine": machine.facts(),
            "results": [],
        }
        self.write()

    @property
    def failed(self):
        return self._of(FAILED)

    def add(self, item, status, seconds, result=None, said=None):
        row = {"part": item.part, "name": item.name, "status": status, "seconds": round(seconds, 3)}
        self.content["results"].append(row | {"result": result, "said": said})
        self.write()

    def write(self):
        for path, text in ((self.json, json.dumps(self.content, indent=1)), (self.markdown, page.text(self.content))):
            # A reader, or an interrupt, never finds half a file.
            part = Path(f"{path}.part")
            part.write_text(text)
            part.replace(path)

    def summary(self):
        """The number of items for each outcome, and the names of the failed ones."""
        counts = ", ".join(f"{len(self._of(status))} {status}" for status in (DONE, FAILED, SKIPPED))
        failed = "; failed: " + ", ".join(f"{row['part']} {row['name']}" for row in self.failed) if self.failed else ""
        return counts + failed

    def _of(self, status):
        return [row for row in self.content["results"] if row["status"] == status]


def run(items, report):
    """Run the items in turn and add the result of each to `report`."""
    bar = tqdm(items, desc="apple", unit="item")
    for item in bar:
        bar.set_postfix_str(f"{item.part}: {item.name}")
        start = time.perf_counter()
        try:
            outcome = DONE, item.run(), None
        except Skip as reason:
            outcome = SKIPPED, None, str(reason)
        except Failure as failure:
            outcome = FAILED, failure.result, str(failure)
        except (Exception, SystemExit) as error:
            outcome = FAILED, None, "".join(traceback.format_exception(error)).strip()
        status, result, said = outcome
        report.add(item, status, time.perf_counter() - start, result, said)
