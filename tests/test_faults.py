"""The table of faults: each public estimator answers each of them, and how.

Each subject meets a third of the faults, the others with ``-m rest``; pruned models with
``-m slow``.
``python -m tests.test_faults`` writes ``docs/faults.csv``, a cell for each fault and
subject, and ``docs/faults.md``, the same in short.
"""

import csv
import warnings
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from tests import faults
from tests.faults.subjects import FAULTS, subjects
from tests.faults.table import as_markdown

for module in iter_modules(faults.__path__):  # each registers its faults
    import_module(f"tests.faults.{module.name}")

DOCS = Path(__file__).parent.parent / "docs"
SUBJECTS = subjects()
NUMBERS = sorted(FAULTS)


def cell_of(number, subject):
    """How a subject answers a fault, in the words of the table."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FAULTS[number].check(subject)


def read_table():
    """The committed cells by number of the fault and name of the subject."""
    with (DOCS / "faults.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        int(row.pop("number")): {name: row[name] for name in row if name != "fault"}
        for row in rows
    }


TABLE = read_table() if (DOCS / "faults.csv").exists() else {}


def cells():
    """All pairs, of which the default tests run a third."""
    for number in NUMBERS:
        for place, subject in enumerate(SUBJECTS):
            late = pytest.mark.slow if subject.kind == "pruned" else pytest.mark.rest
            marks = late if (number + place) % 3 else ()
            yield pytest.param(number, subject, id=f"{number}-{subject.name}", marks=marks)


@pytest.mark.parametrize(("number", "subject"), cells())
def test_a_fault_is_answered_as_the_table_says(number, subject):
    assert cell_of(number, subject) == TABLE[number][subject.name]


def test_the_table_has_every_fault_and_subject():
    assert list(TABLE) == NUMBERS == list(range(1, 45))
    for row in TABLE.values():
        assert list(row) == [subject.name for subject in SUBJECTS]
        for cell in row.values():
            assert cell.startswith(("right", "refused", "does not apply: "))


def test_the_page_says_what_the_table_says():
    page = (DOCS / "faults.md").read_text(encoding="utf-8")
    assert page == as_markdown(TABLE, FAULTS, SUBJECTS)


def write():
    """Compute all cells and write the table and the page."""
    table, wrong = {}, []
    for number in NUMBERS:
        row = table[number] = {}
        for subject in SUBJECTS:
            try:
                row[subject.name] = cell_of(number, subject)
            except Exception as error:
                row[subject.name] = ""
                wrong.append(f"{number} {subject.name}: {type(error).__name__}: {error}")
    if wrong:
        raise SystemExit("\n".join([*wrong, f"{len(wrong)} cells are wrong"]))
    with (DOCS / "faults.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["number", "fault", *(subject.name for subject in SUBJECTS)])
        for number, row in table.items():
            rows.writerow([number, FAULTS[number].title, *row.values()])
    page = as_markdown(table, FAULTS, SUBJECTS)
    (DOCS / "faults.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    write()
