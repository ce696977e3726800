import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
import sklearn_prune.weight_pruning.compact as package

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
MODULES = sorted(Path(package.__path__[0]).glob("*.py"))
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


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.stem)
def test_predictors_import_nothing_of_the_rest(file):
    tree = ast.parse(file.read_text())
    later = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        for name in names:
            library = name.partition(".")[0]
            if library == "sklearn_prune":
                assert name.startswith(package.__name__)
            elif id(node) not in later and library != "numpy":
                kernels = file.stem.endswith("_kernels") and library == "numba"
                assert kernels or library in sys.stdlib_module_names
