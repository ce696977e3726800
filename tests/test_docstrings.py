"""Public docstrings follow numpydoc, name every parameter and give an example."""

import inspect
import pydoc
import re

import pytest

import sklearn_prune
from sklearn_prune import comparison, inspection, sample_selection, weight_pruning

validate = pytest.importorskip("numpydoc.validate").validate

PACKAGES = comparison, inspection, sample_selection, weight_pruning
IGNORED = {
    "GL01": "summaries start on the line of the quotes",
    "ES01": "one good sentence may be enough",
    "RT02": "'self : object' carries its name, as in scikit-learn",
    "SA04": "a reference to a sibling explains itself where it stands",
}
OF_FAMILIES = {
    "PR01": "the class says what the arguments of all of its methods are",
    "RT01": "the summary says what is returned",
}
FAMILIES = ("Family", "Restores", "TrainsOn", "PrunesWhileTraining")
OF_METHODS = {"EX01": "the class has the example", "SA01": "the class has the links"}


def public_objects():
    packages = (comparison, inspection, sample_selection, weight_pruning)
    for package in (sklearn_prune, *packages):
        for name in package.__all__:
            thing = getattr(package, name)
            if not callable(thing):
                continue
            yield f"{thing.__module__}.{name}"
            for method, value in inspect.getmembers(thing):
                ours = str(getattr(value, "__module__", "")).startswith("sklearn_prune")
                if ours and callable(value) and not method.startswith("_"):
                    yield f"{thing.__module__}.{name}.{method}"


@pytest.mark.parametrize("name", sorted(set(public_objects())))
def test_docstring(name):
    is_method = name.split(".")[-2][0].isupper()
    ignored = IGNORED | OF_METHODS if is_method else IGNORED
    if is_method and name.split(".")[-2] in FAMILIES:
        ignored |= OF_FAMILIES
    if name.endswith(("RankingContext", "SampleSelector", "Criterion")):
        ignored = IGNORED | OF_METHODS  # for authors of selectors, shown in the guide
    errors = [error for error in validate(name)["errors"] if error[0] not in ignored]
    assert not errors, "\n".join(f"{code} {text}" for code, text in errors)


def test_no_marker_is_left():
    docs = {name: pydoc.locate(name).__doc__ for name in public_objects()}
    assert not [name for name, doc in docs.items() if re.search(r"^ *\{[a-z*]", doc, re.M)]
