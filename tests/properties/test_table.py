"""docs/properties.md names every property and how often it was tried."""

import re
from pathlib import Path

from tests import test_properties
from tests.properties import test_models
from tests.properties.record import RECORDS
from tests.properties.selectors import CLASSES

TABLE = Path(__file__).parents[2] / "docs" / "properties.md"
FORMS = re.compile(r"^\| ([a-z ]+) \| ([\d,]+) \| \d+: ([\w, ]+) \| \d+ \|$", re.MULTILINE)


def test_each_property_was_tried_five_thousand_times():
    rows = {
        name: (number, names) for name, number, names in FORMS.findall(TABLE.read_text())
    }
    properties = {
        name.removeprefix("test_").replace("_", " ")
        for module in (test_properties, test_models)
        for name in vars(module)
        if name in RECORDS
    }
    assert set(rows) == properties
    assert all(int(number.replace(",", "")) >= 5_000 for number, _ in rows.values())
    _, covered = rows["the order is a permutation of all rows"]
    assert set(covered.split(", ")) == {cls.__name__ for cls in CLASSES}
