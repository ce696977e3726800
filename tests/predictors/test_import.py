import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import sklearn_prune.weight_pruning.compact as package
from sklearn_prune import predictors
from sklearn_prune.weight_pruning.compact._quantized import Stored

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
    "Compact",
    "CompactContainer",
    "CompactLinear",
    "CompactNeighbors",
    "CompactNet",
    "CompactStacking",
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
    for module in iter_modules(package.__path__):
        import_module(f"{package.__name__}.{module.name}")
    left, found = [Stored], set()
    while left:
        classes = left.pop().__subclasses__()
        left += classes
        found |= {each.__name__ for each in classes if not each.__name__.startswith("_")}
    assert found - INSIDE == set(predictors.__all__)


def test_predictors_import_nothing_of_the_rest():
    script = (
        "import sys\n"
        "from sklearn_prune import predictors\n"
        "found = [getattr(predictors, name) for name in predictors.__all__]\n"
        "print(*[name for name in sys.modules if name.startswith('sklearn_prune')])\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    allowed = ("sklearn_prune.predictors", package.__name__)
    others = [name for name in run.stdout.split() if not name.startswith(allowed)]
    parents = {"sklearn_prune", "sklearn_prune._lazy", "sklearn_prune.weight_pruning"}
    assert set(others) == parents
