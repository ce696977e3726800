"""How many examples each property has seen, and of which classes."""

import functools
import os
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Record:
    """What one property has seen so far."""

    examples: int = 0
    classes: Counter = field(default_factory=Counter)
    seconds: float = 0.0


RECORDS: dict[str, Record] = {}


def counted(test):
    """Count the examples of a property that returns what it has checked.

    It returns one estimator or a tuple of them; an example that is rejected or fails
    does not count.
    """
    record = RECORDS[test.__name__] = Record()
    inner = test.hypothesis.inner_test

    @functools.wraps(inner)
    def checked(*arguments, **named):
        started = time.process_time()
        try:
            subjects = inner(*arguments, **named)
        finally:
            record.seconds += time.process_time() - started
        record.examples += 1
        subjects = subjects if isinstance(subjects, tuple) else (subjects,)
        record.classes.update({type(subject).__name__ for subject in subjects})

    test.hypothesis.inner_test = checked

    @functools.wraps(test)
    def recorded(*arguments, **named):
        test(*arguments, **named)
        write_row(test.__name__)

    recorded.__dict__.pop("hypothesis", None)
    return recorded


HEAD = """# Properties

What holds for every selector and meta-estimator, whatever the data: each property was
tried on so many examples drawn by hypothesis, of up to 60 rows, and none of them failed.
`HYPOTHESIS_PROFILE=thorough SKLEARN_PRUNE_PROPERTIES=docs/properties.md pytest
tests/test_properties.py tests/properties` makes this table.

| property | examples | classes covered | seconds |
| --- | --- | --- | --- |
"""


def write_row(test_name):
    """Put the row of a property into the file that the environment names, if any."""
    path = os.environ.get("SKLEARN_PRUNE_PROPERTIES")
    if not path:
        return
    path, record = Path(path), RECORDS[test_name]
    text = path.read_text() if path.exists() else ""
    rows = dict(re.findall(r"^\| ([a-z ]+) (\|.*)$", text, re.MULTILINE))
    rows.pop("property", None)
    label = test_name.removeprefix("test_").replace("_", " ")
    names = ", ".join(sorted(record.classes))
    rows[label] = (
        f"| {record.examples:,} | {len(record.classes)}: {names} | {record.seconds:.0f} |"
    )
    lines = [f"| {name} {cells}\n" for name, cells in sorted(rows.items())]
    path.write_text(HEAD + "".join(lines))
