import runpy
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from sklearn_prune import predictors
from sklearn_prune.predictors.quantized import Stored

SCRIPT = r"""
import sys


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in (
            "joblib", "numba", "pandas", "scipy", "skops", "sklearn", "torch"
        ):
            raise ImportError(f"{name} is blocked")


sys.meta_path.insert(0, Missing())

from sklearn_prune import predictors

for name in predictors.__all__:
    found = getattr(predictors, name)
    assert found.__module__ == "sklearn_prune.predictors"
    assert found.__qualname__ == name
    assert name in dir(predictors)

assert repr(predictors.CompactSVR()) == "CompactSVR()"
assert predictors.CompactSVR()._repr_html_() == "<pre>CompactSVR()</pre>"
print(len(predictors.__all__))
"""
# Bases, and what no pickle and no file holds.
INSIDE = {
    "CompactContainer",
    "CompactLinear",
    "CompactNeighbors",
    "CompactNet",
    "CompactStacking",
    "CompactTransformer",
    "CompactTrees",
    "Estimator",
    "KernelExpansion",
    "ScoredRows",
}


def test_every_predictor_is_there_with_numpy_alone():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) == len(predictors.__all__)


def test_all_that_is_stored_is_public():
    for module in walk_packages(predictors.__path__, "sklearn_prune.predictors."):
        import_module(module.name)
    left, found = [Stored], set()
    while left:
        classes = left.pop().__subclasses__()
        left += classes
        found |= {
            each.__name__
            for each in classes
            if each.__module__ == "sklearn_prune.predictors" and each.__name__[0] != "_"
        }
    assert found - INSIDE | {"LoadError", "load", "stored_bytes"} == set(predictors.__all__)


def test_the_page_of_predictors_is_current():
    docs = Path(__file__).parents[2] / "docs"
    page = runpy.run_path(str(docs / "predictors.py"))["page"]
    assert (docs / "predictors.md").read_text() == page()
