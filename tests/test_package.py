import pickle
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import sklearn_prune
from sklearn_prune._lazy import import_or_raise

SUBPACKAGES = (
    "comparison",
    "persistence",
    "predictors",
    "sample_selection",
    "weight_pruning",
)


def assert_prints_nothing(script):
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_import_loads_nothing_that_scikit_learn_does_not():
    script = (
        "import sys, sklearn\n"
        "before = set(sys.modules)\n"
        "import sklearn_prune\n"
        "new = {name for name in set(sys.modules) - before}\n"
        "print(*sorted(name for name in new if not name.startswith('sklearn_prune')))\n"
    )
    assert_prints_nothing(script)


def test_using_the_estimators_loads_no_optional_library():
    script = (
        "import sys\n"
        "from sklearn_prune import *\n"
        "from sklearn_prune.sample_selection import *\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "model = SampleSubsetClassifier(LogisticRegression(), L2PenaltySelector())\n"
        "model.fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])\n"
        "PrunedClassifier(LogisticRegression(), keep=1.0).fit([[0.0], [1.0]], [0, 1])\n"
        "optional = {'torch', 'skorch', 'matplotlib', 'dask', 'imblearn', 'lightgbm'}\n"
        "print(*(optional & set(sys.modules)))\n"
    )
    assert_prints_nothing(script)


def test_every_public_name_is_there():
    for name in sklearn_prune.__all__:
        assert getattr(sklearn_prune, name) is not None
        assert name in dir(sklearn_prune)
    with pytest.raises(AttributeError, match="no attribute 'SampleSubset'"):
        sklearn_prune.SampleSubset


PLACES = [sklearn_prune, *(getattr(sklearn_prune, name) for name in SUBPACKAGES)]


@pytest.mark.parametrize("package", PLACES, ids=lambda package: package.__name__)
def test_public_names_are_looked_for_elsewhere(package):
    """An import, whose error hides that of the attribute, says where a name is."""
    if package.__name__.endswith("predictors"):  # which stands alone
        return
    for place in PLACES:
        for name in set(place.__all__) - set(dir(package)):
            found = next(other for other in PLACES if name in other.__all__)
            words = f"'{name}'. Write: from {found.__name__} import {name}$"
            with pytest.raises(ImportError, match=words):
                exec(f"from {package.__name__} import {name}")
            with pytest.raises(AttributeError, match=words):
                getattr(package, name)
            assert not hasattr(package, name)
    with pytest.raises(ImportError, match=r"cannot import name 'no_such_name' from"):
        exec(f"from {package.__name__} import no_such_name")


def test_classes_pickle_by_name():
    for name in sklearn_prune.__all__:
        thing = getattr(sklearn_prune, name)
        if isinstance(thing, type):
            assert pickle.loads(pickle.dumps(thing)) is thing


def test_a_missing_library_says_what_to_type():
    with pytest.raises(ImportError, match=r'pip install "sklearn-prune\[torch\]"'):
        import_or_raise("no_such_module", "Pruning a net", extra="torch")
    assert import_or_raise("math", "Anything", extra="torch").pi > 3


def test_the_oldest_versions_that_are_tried_are_those_that_are_promised():
    root = Path(__file__).parents[1]
    pins = root / ".ci" / "minimum.txt"
    if not pins.is_file():
        pytest.skip("this is not a checkout")
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    tried = [line for line in pins.read_text().splitlines() if not line.startswith("#")]
    assert bounds(project["dependencies"], ">=") == bounds(tried, "==")


def bounds(requirements, operator):
    """Version by name; each requirement is one bound of the given kind."""
    found = {}
    for requirement in map(Requirement, requirements):
        (bound,) = requirement.specifier
        assert bound.operator == operator
        found[requirement.name] = Version(bound.version)
    return found
