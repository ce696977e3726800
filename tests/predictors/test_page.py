import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_predictors_is_current():
    page = runpy.run_path(str(DOCS / "predictors.py"))["page"]
    assert (DOCS / "predictors.md").read_text() == page()
