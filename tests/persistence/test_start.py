"""One start to the first prediction imports few modules, and none of other packages."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sklearn_prune.persistence import save
from tests.estimators import sk
from tests.persistence import start

# Modules over `import numpy`. Before 2.1 numpy itself imports one less of those of Python.
MOST = 40 if np.lib.NumpyVersion(np.__version__) >= "2.1.0" else 41
ARTEFACTS = sorted((Path(__file__).parent / "artefacts").iterdir())


def lines(folder, *names):
    """Name, modules, and what is foreign, of each file."""
    script = Path(start.__file__)
    command = [sys.executable, str(script), str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    found = [line.split(" ") for line in done.stdout.splitlines() if line[0] != "#"]
    return {name: (int(count), foreign) for name, count, _, _, *foreign in found}


@pytest.mark.parametrize("folder", ARTEFACTS, ids=lambda path: path.name)
def test_artefacts_import_few_modules(folder):
    found = lines(folder)
    assert len(found) > 55
    assert {name: own for name, own in found.items() if own[0] > MOST or own[1]} == {}


def test_witness_rows_of_named_columns_need_no_pandas():
    """It is installed here, and would be imported."""
    pytest.importorskip("pandas")
    ((_, foreign),) = lines(ARTEFACTS[-1], "forest_of_names").values()
    assert not foreign


@pytest.mark.parametrize(
    "last", [sk.RandomForestClassifier(5), sk.HistGradientBoostingClassifier(max_iter=3)]
)
def test_columns_ahead_of_trees(last, tmp_path):
    X = np.floor(np.random.default_rng(0).normal(size=(60, 4)) * 2)
    columns = sk.ColumnTransformer(
        [
            ("a", make_pipeline(sk.SimpleImputer(), sk.StandardScaler()), [0, 2]),
            ("b", sk.OneHotEncoder(handle_unknown="ignore", sparse_output=False), [1]),
        ],
        remainder="passthrough",
    )
    model = make_pipeline(columns, last).fit(X, X[:, 0] > 0)
    save(model, tmp_path / "model.skprune")
    np.savez(tmp_path / "answers.npz", **{"model rows": X[:1]})
    ((count, foreign),) = lines(tmp_path).values()
    assert count <= MOST
    assert not foreign
