"""A kind of model from outside the package, and what is refused of one."""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_prune import PrunedClassifier, compare_pruning
from sklearn_prune.persistence import load, save, to_onnx
from sklearn_prune.weight_pruning import (
    Accepted,
    Family,
    FamilySpec,
    Restores,
    register_family,
)
from sklearn_prune.weight_pruning._registry import _REGISTERED, family_of
from tests.extension import nearest_centroid
from tests.extension.nearest_centroid import CentroidFamily, CompactCentroids

X, y = load_digits(return_X_y=True)
SMALL = PrunedClassifier(NearestCentroid(), unit="column", keep=20)


(SPEC,) = _REGISTERED
_REGISTERED.clear()  # other tests prune NearestCentroid by its features


@pytest.fixture(autouse=True)
def registered():
    register_family(SPEC)
    yield
    _REGISTERED.clear()


def test_everything_kept_predicts_as_the_model():
    model = PrunedClassifier(NearestCentroid(), keep=1.0).fit(X, y)
    assert isinstance(model.compact_, CompactCentroids)
    assert np.array_equal(model.predict(X), NearestCentroid().fit(X, y).predict(X))


def test_columns_are_dropped_and_the_others_stay():
    model = clone(SMALL).fit(X, y)
    assert model.compact_.n_parameters() == 200
    assert model.report_.after["nbytes"] < model.report_.before["nbytes"] / 3
    others = NearestCentroid().fit(X[:, model.kept_], y)
    assert np.array_equal(model.predict(X), others.predict(X[:, model.kept_]))
    assert model.score(X, y) > 0.85


def test_a_model_that_the_family_refuses_is_pruned_by_its_features():
    with pytest.warns(UserWarning, match="uniform priors"):
        model = PrunedClassifier(
            NearestCentroid(priors="empirical"), keep=0.5, random_state=0
        ).fit(X[:300], y[:300])
    assert model.unit_ == "feature"


def test_clone_pickle_save_and_load(tmp_path):
    model = pickle.loads(pickle.dumps(clone(SMALL).fit(X, y)))
    save(model, tmp_path / "centroids.skprune")
    loaded = load(tmp_path / "centroids.skprune")
    _REGISTERED.clear()
    with pytest.raises(ValueError, match="'tests/CompactCentroids' .*forms="):
        load(tmp_path / "centroids.skprune")
    for found in (loaded, load(tmp_path / "centroids.skprune", forms=[CompactCentroids])):
        assert type(found) is CompactCentroids
        assert np.array_equal(found.predict(X), model.predict(X))


@pytest.mark.parametrize("fitted", [False, True])
def test_a_pickle_registers_the_family_where_it_is_loaded(fitted, tmp_path):
    model = clone(SMALL).fit(X, y) if fitted else SMALL
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(model))
    script = (
        "import pickle, sys\n"
        "from sklearn.neighbors import NearestCentroid\n"
        "from sklearn_prune.weight_pruning._registry import family_of\n"
        "model = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(type(family_of(NearestCentroid())[0]).__name__)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model.pickle")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.stdout.strip() == "CentroidFamily", run.stderr


def test_another_model_is_loaded_without_the_module_of_a_family():
    register_family(FamilySpec(("gone.Model",), "gone.family:GoneFamily"))
    content = pickle.dumps(PrunedClassifier(GaussianNB(), keep=1.0).fit(X, y))
    with pytest.warns(UserWarning, match=r"no module gone\."):
        model = pickle.loads(content)
    assert np.array_equal(model.predict(X), GaussianNB().fit(X, y).predict(X))


def test_grid_search_in_two_processes():
    model = make_pipeline(StandardScaler(), clone(SMALL))
    grid = {"prunedclassifier__keep": [1.0, 10, 30]}
    scores = [
        GridSearchCV(model, grid, cv=3, n_jobs=n_jobs).fit(X, y).cv_results_
        for n_jobs in (1, 2)
    ]
    assert np.isfinite(scores[0]["mean_test_score"]).all()
    assert np.array_equal(scores[0]["mean_test_score"], scores[1]["mean_test_score"])


def test_compare_pruning():
    variants = {"all": NearestCentroid(), "half": clone(SMALL).set_params(keep=0.5)}
    comparison = compare_pruning(variants, X, y, cv=3, margin=0.05, n_jobs=2)
    assert not comparison.failures
    assert comparison.verdicts()["verdict"].notna().all()


def test_onnx():
    onnxruntime = pytest.importorskip("onnxruntime")
    model = clone(SMALL).fit(X, y)
    graph = to_onnx(model, X[:1])
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    (name,) = (each.name for each in session.get_inputs())
    labels = session.run(None, {name: X})[0]
    assert np.array_equal(labels, model.predict(X))


def test_the_guide_shows_the_module():
    guide = Path(__file__).parents[2] / "docs" / "extending.md"
    code = Path(nearest_centroid.__file__).read_text()
    assert f"```python\n{code}```\n" in guide.read_text()
    assert len(code.splitlines()) < 120


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"bases": "sklearn.NearestCentroid"}, "bases"),
        ({"bases": ()}, "bases"),
        ({"bases": ("NearestCentroid",)}, "bases"),
        ({"family": "module.Class"}, "family"),
        ({"family": CentroidFamily}, "family"),
        ({"predictors": "module:Class"}, "predictors"),
        ({"checks": "module"}, "checks"),
        ({"exporters": {"onnx": None}}, "exporters"),
        ({"exporters": {"onxx": "module:NAME"}}, "exporters"),
        ({"exporters": "module:NAME"}, "exporters"),
    ],
)
def test_wrong_specs_are_named(changes, word):
    given = {"bases": ("sklearn.Birch",), "family": "module:Class"} | changes
    with pytest.raises(ValueError, match=f"^{word} must be .* Got .* Write {word}="):
        register_family(FamilySpec(**given))


def test_what_is_no_spec_is_refused():
    with pytest.raises(TypeError, match="spec must be a FamilySpec"):
        register_family(CentroidFamily)


def test_a_spec_replaces_that_of_the_same_family():
    register_family(SPEC)
    assert _REGISTERED == [SPEC]


class WrongFamily(CentroidFamily):
    """One method of it returns what it must not."""

    method, value = None, None

    def __init__(self):
        if self.method is not None:
            setattr(self, self.method, lambda *args: self.value)


@pytest.mark.parametrize(
    ("method", "value", "wanted"),
    [
        ("accepts", None, "Accepted"),
        ("accepts", True, "Accepted"),
        ("accepts", Accepted(None), r"Accepted\(None"),
        ("accepts", Accepted(CentroidFamily), "Accepted"),
        ("start", None, "working form"),
        ("table", [1, 2], "UnitTable"),
        ("weights", None, r"shape \(n_units, m\)"),
        ("weights", np.ones(64), r"shape \(n_units, m\)\. Got an array of shape \(64,\)"),
        ("compact", object(), "predict"),
    ],
)
def test_wrong_returns_of_a_family_are_named(method, value, wanted, monkeypatch):
    monkeypatch.setattr(WrongFamily, "method", method)
    monkeypatch.setattr(WrongFamily, "value", value)
    register_family(FamilySpec(("sklearn.NearestCentroid",), f"{__name__}:WrongFamily"))
    with pytest.raises(TypeError, match=rf"WrongFamily\.{method} must return .*{wanted}"):
        clone(SMALL).fit(X[:200], y[:200])


def test_a_family_without_its_methods_says_which_is_missing():
    register_family(FamilySpec(("sklearn.NearestCentroid",), f"{__name__}:EmptyFamily"))
    with pytest.raises(NotImplementedError, match=r"EmptyFamily must define accepts"):
        family_of(NearestCentroid())


class EmptyFamily(Family):
    pass


HERE = "tests.extension.nearest_centroid"
NO_TABLE = 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (f"{HERE}:CentroidFamly", f"no CentroidFamly.* Write '{HERE}:CentroidFamily'"),
        ("tests.extension.nearest:CentroidFamily", r"no module tests\.extension\.nearest"),
        (f"{HERE}:CompactCentroids", "no subclass of Family"),
        (f"{HERE}:WRITERS", "no subclass of Family"),
    ],
)
def test_a_family_that_is_not_there_is_named(path, words):
    register_family(replace(SPEC, family=path))
    with pytest.raises(ValueError, match=f"^family of a FamilySpec .*{words}"):
        clone(SMALL).fit(X[:200], y[:200])


@pytest.mark.parametrize("name", ["CHECK", "WRITERS"])
def test_checks_that_are_not_there_are_no_fault_of_the_file(name, tmp_path):
    save(clone(SMALL).fit(X, y), tmp_path / "centroids.skprune")
    register_family(replace(SPEC, checks=f"{HERE}:{name}"))
    with pytest.raises(ValueError, match=f"^checks of a FamilySpec .*{name}"):
        load(tmp_path / "centroids.skprune", forms=[CompactCentroids])


@pytest.mark.parametrize("path", [f"{HERE}:WRITER", f"{__name__}:NO_TABLE"])
def test_writers_that_are_not_there_are_named(path):
    pytest.importorskip("onnxruntime")
    register_family(replace(SPEC, exporters={"onnx": path}))
    with pytest.raises(ValueError, match=f"^exporters of a FamilySpec .*{path}"):
        to_onnx(clone(SMALL).fit(X, y), X[:1])


def test_a_predictor_without_a_writer_is_told_where_it_belongs():
    pytest.importorskip("onnxruntime")
    register_family(replace(SPEC, exporters={}))
    with pytest.raises(TypeError, match=r"CompactCentroids.* exporters"):
        to_onnx(clone(SMALL).fit(X, y), X[:1])


def test_a_predictor_that_no_spec_names_is_told_where_it_belongs(tmp_path):
    register_family(replace(SPEC, predictors=()))
    words = rf"FamilySpec.* Write predictors=\('{HERE}:CompactCentroids',\)"
    with pytest.raises(TypeError, match=words):
        save(clone(SMALL).fit(X, y), tmp_path / "centroids.skprune")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"units": "column"}, r"units must be a tuple .*\('column',\)"),
        ({"units": ("colunm",)}, "criteria must .*'colunm'"),
        ({"criteria": {}}, "criteria must .*'column'"),
        ({"offers": {"column": "weights"}}, r"offers must hold tuples"),
        ({"offers": {"column": ("wieghts",)}}, r"offers must .*'wieghts'"),
    ],
)
def test_units_that_do_not_fit_together_are_named(changes, words, monkeypatch):
    for name, value in changes.items():
        monkeypatch.setattr(CentroidFamily, name, value)
    with pytest.raises(TypeError, match=f"^CentroidFamily.{words}"):
        clone(SMALL).fit(X[:200], y[:200])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("_parameters", ("centriods_",), "without centriods_"),
        ("_parameters", "centroids_", "tuple"),
        ("_quantizable", ("centriods_",), "without centriods_"),
    ],
)
def test_misspelt_arrays_of_a_predictor_are_named(name, value, words, monkeypatch):
    monkeypatch.setattr(CompactCentroids, name, value)
    with pytest.raises(TypeError, match=rf"CentroidFamily\.compact .*{name}.*{words}"):
        clone(SMALL).set_params(quantize="int8").fit(X[:200], y[:200])


def test_a_predictor_without_predict_is_named(monkeypatch):
    monkeypatch.delattr(CompactCentroids, "predict")
    with pytest.raises(
        TypeError, match=r"compact must .* Got CompactCentroids without predict\."
    ):
        clone(SMALL).fit(X[:200], y[:200])


class ForgetfulFamily(Restores, CentroidFamily):
    def restore(self, compact, template):
        """Restore the model, and forget to return it."""


def test_a_restored_model_is_returned():
    register_family(replace(SPEC, family=f"{__name__}:ForgetfulFamily"))
    model = clone(SMALL).fit(X, y)
    with pytest.raises(TypeError, match=r"ForgetfulFamily\.restore must .*NearestCentroid"):
        _ = model.estimator_


def test_estimator_names_the_mixin_that_is_missing():
    with pytest.raises(AttributeError, match=r"CentroidFamily.*Restores"):
        _ = clone(SMALL).fit(X, y).estimator_


def test_a_family_in_main_is_warned_of():
    with pytest.warns(UserWarning, match=r"__main__:Own.* module"):
        register_family(FamilySpec(("sklearn.Birch",), "__main__:Own"))


def test_names_of_columns_stay(recwarn):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X).add_prefix("pixel")
    model = clone(SMALL).fit(frame, y)
    assert np.array_equal(model.predict(frame), clone(SMALL).fit(X, y).predict(X))
    assert not [w for w in recwarn if "feature names" in str(w.message)]
