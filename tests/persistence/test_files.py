import hashlib
import io
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from multiprocessing import get_context
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, is_classifier
from sklearn.cluster import DBSCAN
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    IsolationForest,
    RandomForestClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import sklearn_prune
from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetSampler,
    SampleSubsetTransformer,
    predictors,
)
from sklearn_prune.persistence import LoadError, load, save, to_onnx
from sklearn_prune.predictors import arrays_in, npy, write_archive
from sklearn_prune.predictors.storage import archive, forms
from sklearn_prune.predictors.storage.decode import read_array
from sklearn_prune.predictors.storage.forms import FIELDS, FORMS
from sklearn_prune.predictors.trees import flat
from sklearn_prune.weight_pruning import Quantizer, fitted_form
from tests.matrix import LABELS, NAMES, X, answers, assert_same, matrix
from tests.persistence.damage import (
    claiming,
    members_of,
    node,
    packed,
    schema_of,
    with_schema,
    write,
)

pytest.importorskip("skops")
MODELS = [name for name, *_ in matrix()]
ROOT = Path(__file__).parents[2]
ARTEFACTS = Path(__file__).parent / "artefacts"


@pytest.fixture
def content(files, path):
    """A saved forest, as bytes, which are also what `path` holds."""
    path.write_bytes(files["forest of names"])
    return files["forest of names"]


@pytest.mark.parametrize("name", MODELS)
def test_loaded_models_answer_to_the_bit(name, models, files, path):
    model, rows = models[name]
    path.write_bytes(files[name])
    loaded, fitted = load(path), fitted_form(model)
    sent = pickle.loads(pickle.dumps(fitted))
    assert_same(answers(loaded, rows), answers(sent, rows), same_error=True)
    loaded.warm_up()  # compiled kernels, as where the model was fitted
    assert_same(answers(loaded, rows), answers(fitted, rows), same_error=True)
    np.testing.assert_array_equal(
        np.shape(loaded.predict(rows)), np.shape(model.predict(rows))
    )
    if np.asarray(model.predict(rows[:1])).dtype.kind != "f":
        np.testing.assert_array_equal(loaded.predict(rows), model.predict(rows))
    else:
        np.testing.assert_allclose(loaded.predict(rows), model.predict(rows), rtol=1e-10)


def test_files_are_the_same_for_the_same_model(models, files, path):
    for name in ("forest", "process of classes", "columns"):
        save(pickle.loads(pickle.dumps(models[name][0])), path)
        assert path.read_bytes() == files[name]


def test_every_stored_class_has_a_word_and_fields():
    words = {cls: word for word, cls in FORMS.items()}
    without = {"Compact", "CompactModule", "LoadError", "load", "stored_bytes"}
    assert set(words) == set(predictors.__all__) - without
    assert len(words) == len(FORMS)
    assert set(FIELDS) == set(FORMS)


def test_files_name_no_class_and_no_module(files):
    for name, content in files.items():
        document, members = members_of(content)
        text = json.dumps(document)
        assert (
            "sklearn" not in text.replace('"scikit-learn"', "") or "parts.skops" in members
        )
        assert "Compact" not in text
        assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None, name


def test_files_hold_no_training_rows_and_no_state_of_training(path):
    from sklearn.neural_network import MLPClassifier

    X, y = make_classification(300, 8, random_state=0)
    models = [
        RandomForestClassifier(5, random_state=np.random.RandomState(0)),
        MLPClassifier((4,), max_iter=5, random_state=np.random.RandomState(0)),
        LogisticRegression(random_state=np.random.RandomState(0)),
    ]
    for model in models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            save(SampleSubsetClassifier(model, keep=0.5, random_state=0).fit(X, y), path)
        document, members = members_of(path.read_bytes())
        arrays = b"".join([*members.values(), json.dumps(document).encode()])
        assert not any(row.tobytes() in arrays for row in X)
        assert b"RandomState" not in arrays
        assert b"optimizer" not in arrays


class OwnClassifier(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))


def doubled(X):
    return 2 * X


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (OwnClassifier(), ["OwnClassifier"]),
        (SampleSubsetClassifier(OwnClassifier()), ["OwnClassifier"]),
        (PrunedClassifier(OwnClassifier()), ["OwnClassifier"]),
        (make_pipeline(FunctionTransformer(lambda X: X), LogisticRegression()), ["lambda"]),
        (make_pipeline(StandardScaler(), OwnClassifier()), ["OwnClassifier"]),
        (RadiusNeighborsClassifier(10.0), ["RadiusNeighborsClassifier", "KDTree"]),
        (SampleSubsetSampler(), ["SampleSubsetSampler"]),
        (IsolationForest(n_estimators=3), ["IsolationForest"]),
        (DBSCAN(), ["DBSCAN"]),
    ],
)
def test_what_has_no_compact_form_is_refused_by_name(model, names, path):
    path.write_text("before")
    model.fit(X, LABELS)
    with pytest.raises(TypeError) as caught:
        save(model, path)
    assert all(name in str(caught.value) for name in names)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "before"


@pytest.mark.parametrize("thing", [None, RandomForestClassifier, X, {"a": 1}, "model"])
def test_what_is_no_estimator_is_refused(thing, path):
    with pytest.raises(TypeError, match="fitted estimator"):
        save(thing, path)


@pytest.mark.parametrize(
    "model", [RandomForestClassifier(), PrunedClassifier(LogisticRegression())]
)
def test_unfitted_models_are_refused(model, path):
    with pytest.raises(NotFittedError):
        save(model, path)
    assert not path.exists()


def test_transformers_are_saved_as_they_are(path):
    scaler = SampleSubsetTransformer(StandardScaler(), random_state=0).fit(X)
    save(scaler, path)
    loaded = load(path)
    assert type(loaded) is StandardScaler
    np.testing.assert_array_equal(loaded.transform(X), scaler.transform(X))


def test_what_members_were_cloned_from_is_left_behind(path):
    model = AdaBoostClassifier(SVC(), n_estimators=3, random_state=0).fit(X, NAMES)
    save(model, path)
    np.testing.assert_array_equal(load(path).predict(X), model.predict(X))


def test_one_part_in_two_places(path):
    model = make_pipeline(SimpleImputer(), SVC()).fit(X, NAMES)  # two names of a dtype
    save(model, path)
    np.testing.assert_array_equal(load(path).predict(X), model.predict(X))


def test_samplers_of_pipelines_have_nothing_to_predict(path):
    pipeline = pytest.importorskip("imblearn.pipeline")
    sampler = SampleSubsetSampler(random_state=0)
    model = pipeline.make_pipeline(StandardScaler(), sampler, LogisticRegression())
    search = GridSearchCV(model, {"logisticregression__C": [1.0]}, cv=2)
    for whole in (model, FrozenEstimator(model.fit(X, NAMES)), search):
        save(whole.fit(X, NAMES), path)
        np.testing.assert_array_equal(load(path).predict(X), whole.predict(X))


def test_paths(models, path):
    model, rows = models["logistic"]
    save(model, str(path))
    np.testing.assert_array_equal(load(str(path)).predict(rows), model.predict(rows))
    for wrong in (3, None, b"model.skops", open):
        for call in (lambda path: save(model, path), load):
            with pytest.raises(TypeError, match="path must be a str or PathLike"):
                call(wrong)
    with pytest.raises(FileNotFoundError):
        load(path.with_name("other.skops"))


@pytest.mark.parametrize("max_bytes", [0, -1, True, 1.5, "1", None])
def test_max_bytes_is_a_positive_int(max_bytes, content, path):
    with pytest.raises(ValueError, match="max_bytes must be a positive int"):
        load(path, max_bytes=max_bytes)


def with_document(content, path, **changes):
    """Write the file again with another description."""
    document, members = members_of(content)
    write(path, document | changes, members)


def test_the_writer_is_information(content, path):
    with_document(content, path, writer="0.0.1")
    assert set(load(path).classes_) == set(NAMES)


def test_a_file_for_newer_readers_is_refused(content, path):
    with_document(content, path, format=forms.FORMAT + 1)
    load(path)
    newest = forms.FORMAT
    with_document(content, path, format=9, min_reader=newest + 1, writer="9.0")
    message = rf"format {newest}. Got .* written by sklearn-prune 9\.0"
    with pytest.raises(LoadError, match=message):
        load(path)


@pytest.mark.parametrize(
    "header", [{"format": "2"}, {"min_reader": None}, {"more": 1}, {"functions": 1}]
)
def test_a_header_that_makes_no_sense(header, content, path):
    with_document(content, path, **header)
    with pytest.raises(LoadError, match=r"model\.json"):
        load(path)


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_does_not_run(protocol, path, tmp_path, files):
    mark = tmp_path / "it ran"
    bomb = pickle.dumps(Bomb(mark), protocol=protocol)
    path.write_bytes(bomb)
    with pytest.raises(LoadError, match="must be as save wrote it"):
        load(path)
    document, members = members_of(files["process"])
    objects = tmp_path / "objects.npy"
    np.save(objects, np.array([Bomb(mark)], dtype=object), allow_pickle=True)
    for array in (bomb, objects.read_bytes()):
        write(path, document, members | {"0.npy": array})
        with pytest.raises(LoadError, match=r"array 0\.npy"):
            load(path)
    assert not mark.exists()


TEXT = node("builtins", "str", "JsonNode", content='"touch /tmp/it-ran"')
ARGUMENTS = node("builtins", "tuple", "TupleNode", content=[TEXT])
NONE = node("builtins", "str", "JsonNode", content="null")


@pytest.mark.parametrize(
    "attack",
    [
        node("os", "system", "FunctionNode"),
        node("builtins", "eval", "TypeNode"),
        node("os", "system", "ObjectNode", content=ARGUMENTS),
        node("subprocess", "Popen", "ConstructorFromReduceNode", content=ARGUMENTS),
        node("builtins", "dict", "MethodNode", content={"func": "get", "obj": TEXT}),
        node("operator", "attrgetter", "OperatorFuncNode", attrs=ARGUMENTS),
        node("functools", "partial", "PartialNode", content={"func": TEXT}),
        node("os", "system", "DictNode", content={}, key_types=ARGUMENTS),
        node("os", "system", "JsonNode", content='"id"'),
        node("sklearn.tree._tree", "Tree", "TreeNode", __reduce__={"args": ARGUMENTS}),
        node("sklearn.svm._classes", "SVC", "ObjectNode", content=NONE),
        node("numpy.random.mtrand", "RandomState", "RandomStateNode", content=NONE),
        node("posix", "system", "TupleNode", content=[TEXT]),
        node("builtins", "exec", "SetNode", content=[TEXT]),
        node(None, "system", "ObjectNode"),
        node(["os"], {"system": 1}, "ObjectNode"),
    ],
    ids=lambda attack: f"{attack['__loader__']}-{attack['__class__']}",
)
def test_foreign_types_are_refused_before_anything_is_made(attack, files, path):
    document, members = members_of(files["columns"])
    schema, arrays = schema_of(members)
    inside = schema | {"content": [attack, *schema["content"]]}
    for forged in (attack | {"protocol": 2}, inside):
        write(path, document, with_schema(members, forged, arrays))
        with pytest.raises(LoadError, match="estimators of scikit-learn"):
            load(path)


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b"null", b"[" * 100_000, b"1", b'"a"', b"\xff\xfe"]
)
def test_descriptions_that_make_no_sense(text, content, files, path):
    _, members = members_of(content)
    write(path, text, members)
    with pytest.raises(LoadError, match="save wrote it"):
        load(path)
    document, members = members_of(files["columns"])
    write(path, document, with_schema(members, text, schema_of(members)[1]))
    with pytest.raises(LoadError, match=r"save wrote it|scikit-learn"):
        load(path)


def test_a_zip_bomb_is_not_unpacked(content, files, path):
    document, members = members_of(content)
    write(path, document, members | {"9.npy": bytes(50_000_000)})
    assert path.stat().st_size < 200_000
    with pytest.raises(LoadError, match="at most max_bytes=1,000,000"):
        load(path, max_bytes=1_000_000)
    document, members = members_of(files["columns"])
    schema, arrays = schema_of(members)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", bytes(50_000_000))
    arrays["big.npz"] = bomb.getvalue()
    write(path, document, with_schema(members, schema, arrays))
    with pytest.raises(LoadError, match=r"holds 'data\.npy'"):
        load(path, max_bytes=1_000_000)


def test_arrays_of_another_size_than_they_claim(files, path):
    document, members = members_of(files["process"])
    name = next(name for name in members if name.endswith(".npy"))
    for head in (claiming("<f8", 10**13), claiming("|u1", 10**6), claiming("<f3", 1)):
        write(path, document, members | {name: head})
        with pytest.raises(LoadError, match=f"the array {name}"):
            load(path)


@pytest.mark.parametrize(
    "name",
    ["../evil.npy", "/etc/evil.npy", "a/b.npy", "..\\evil.npy", "C:evil.npy", "x.pkl"],
)
def test_names_that_lead_elsewhere(name, content, path):
    document, members = members_of(content)
    write(path, document, members | {name: b""})
    with pytest.raises(LoadError, match="has a member named"):
        load(path)


def test_other_zips(content, path):
    document, members = members_of(content)
    text = json.dumps(document).encode()
    for other in (packed(members), packed({}), packed({"model.json": text})):
        path.write_bytes(other)
        with pytest.raises(LoadError, match="zip archive"):
            load(path)
    with open(path, "wb") as file:
        write_archive(file, [("model.json", [text]), ("0.npy", [b""]), ("0.npy", [b""])])
    with pytest.raises(LoadError, match=r"has a member named '0\.npy'"):
        load(path)
    with open(path, "wb") as file:
        write_archive(file, [("0.npy", [b""]), ("model.json", [text])])
    with pytest.raises(LoadError, match="first member"):
        load(path)


def test_members_that_nothing_names(content, path):
    document, members = members_of(content)
    array = io.BytesIO()
    np.save(array, np.zeros(9))
    write(path, document, members | {"77.npy": array.getvalue()})
    with pytest.raises(LoadError, match="reads nothing of"):
        load(path)


def test_other_files(path):
    for other in (b"", b"PK", b"PK\x03\x04", b"a text", bytes(1000)):
        path.write_bytes(other)
        with pytest.raises(LoadError, match="must be as save wrote it") as caught:
            load(path)
        assert "\n" not in str(caught.value)


def test_the_digest_finds_what_was_changed(content, path):
    for at in range(0, len(content), 7):
        changed = bytearray(content)
        changed[at] ^= 1
        path.write_bytes(changed)
        with pytest.raises(LoadError, match="must be as save wrote it|max_bytes"):
            load(path)


def test_the_sum_of_the_whole_file(content, path):
    own = hashlib.sha256(content).hexdigest()
    load(path, sha256=own.upper())
    for wrong in (own[:-1] + "x", "", 3):
        with pytest.raises(LoadError, match=f"sha256={wrong!r}. Got .*{own}"):
            load(path, sha256=wrong)


@pytest.mark.parametrize("size", [1, 10, 100, 1000, -1, -10, -100])
def test_truncated_files(size, content, path):
    path.write_bytes(content[:size])
    with pytest.raises(LoadError, match="must be as save wrote it"):
        load(path)


def test_failed_writes_leave_the_old_file(models, content, path, monkeypatch):
    for name in ("replace", "fsync"):

        def fails(*args):
            raise OSError("no space left")

        monkeypatch.setattr(os, name, fails)
        with pytest.raises(OSError, match="no space"):
            save(models["forest"][0], path)
        monkeypatch.undo()
        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]


def test_a_link_keeps_pointing_to_the_file(models, path, tmp_path):
    link = tmp_path / "latest"
    link.symlink_to(path)
    save(models["logistic"][0], link)
    assert link.is_symlink()
    assert type(load(path)) is type(load(link))


@pytest.mark.parametrize("name", ["a" * 250, "\N{SNOWMAN} und mehr.skprune", ".hidden"])
def test_any_name_of_a_file_will_do(models, path, name):
    path = path.with_name(name)
    save(models["logistic"][0], path)
    assert list(path.parent.iterdir()) == [path]
    load(path)


def test_a_folder_that_is_not_there(models, path):
    with pytest.raises(FileNotFoundError, match="Make the folder first"):
        save(models["logistic"][0], path.parent / "none" / "model.skops")


@pytest.mark.skipif(os.name != "posix", reason="the system has other permissions")
def test_a_private_file_stays_private(models, path):
    path.write_text("")
    path.chmod(0o600)
    save(models["logistic"][0], path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_one_error_for_all_refusals():
    assert LoadError is predictors.LoadError
    assert issubclass(LoadError, ValueError)
    assert pickle.loads(pickle.dumps(LoadError("damaged"))).args == ("damaged",)


@pytest.mark.parametrize("name", ["", "a\0b", "."])
def test_what_names_no_file(models, name):
    with pytest.raises(ValueError, match="path must name a file"):
        save(models["logistic"][0], name)
    with pytest.raises(ValueError, match="path must name a file"):
        load(name)


def test_selectors_of_columns_are_stored_as_positions(path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": [1.0, 2.0, 3.0, 4.0], "a": list("xyxy")})
    chosen = make_column_selector(dtype_exclude="number")
    encoded = (OrdinalEncoder(), lambda frame: chosen(frame))
    model = make_pipeline(make_column_transformer(encoded), LogisticRegression())
    save(model.fit(frame, [0, 1, 0, 1]), path)
    assert load(path).predict(frame).tolist() == [0, 1, 0, 1]


def test_a_search_without_a_best_model(path):
    search = GridSearchCV(LogisticRegression(max_iter=500), {"C": [1]}, refit=False)
    with pytest.raises(TypeError, match=r"Write refit=True\."):
        save(search.fit(*load_iris(return_X_y=True)), path)


def save_again_and_again(predictor, path):
    while True:
        save(predictor, path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
def test_a_killed_save_leaves_a_whole_file(path):
    random = np.random.default_rng(0)
    X, y = make_classification(2000, 20, flip_y=0.3, random_state=0)
    predictor = fitted_form(RandomForestClassifier(10, random_state=0).fit(X, y))
    expected = predictor.predict(X)
    save(predictor, path)
    started = path.stat().st_mtime_ns
    context = get_context("fork")
    for _ in range(5):
        process = context.Process(target=save_again_and_again, args=(predictor, path))
        process.start()
        time.sleep(random.uniform(0.2, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        np.testing.assert_array_equal(load(path).predict(X), expected)
    assert path.stat().st_mtime_ns > started


def test_other_permissions_are_those_of_new_files(models, path):
    save(models["logistic"][0], path)
    other = path.with_name("other")
    other.write_text("")
    assert path.stat().st_mode == other.stat().st_mode


@pytest.mark.parametrize("folder", sorted(ARTEFACTS.iterdir()), ids=lambda f: f.name)
def test_files_of_released_versions_load(folder):
    answers_then = np.load(folder / "answers.npz", allow_pickle=False)
    files = sorted(folder.glob("*.skprune"))
    assert len(files) == sum(name.endswith("predict") for name in answers_then.files)
    for file in files:
        loaded = load(file)
        found = loaded.predict(answers_then[f"{file.stem} rows"])
        then = answers_then[f"{file.stem} predict"]
        if then.dtype.kind == "f":
            np.testing.assert_allclose(found, then, rtol=1e-9)
        else:
            np.testing.assert_array_equal(found, then)


@pytest.mark.parametrize("around", ["nothing", "pipeline", "vote"])
@pytest.mark.parametrize("name", ["LGBMClassifier", "LGBMRegressor", "XGBClassifier"])
def test_boosting_of_frames_with_categories_is_saved(name, around, tmp_path):
    library = pytest.importorskip("lightgbm" if name.startswith("LGBM") else "xgboost")
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"])
    frame["c"] = pd.Categorical(rng.choice(["u", "v", "w"], 80))
    y = (frame["a"] + (frame["c"] == "u") > 0).astype(int)
    params = {"verbose": -1} if name.startswith("LGBM") else {"enable_categorical": True}
    model = getattr(library, name)(n_estimators=3, n_jobs=1, **params)
    classifies = is_classifier(model)
    if around == "pipeline":
        model = make_pipeline(FunctionTransformer(), model)
    elif around == "vote":
        model = (VotingClassifier if classifies else VotingRegressor)([("a", model)])
    model.fit(frame, y)
    save(model, tmp_path / "m.skprune")
    loaded = load(tmp_path / "m.skprune", verify=True)
    np.testing.assert_allclose(loaded.predict(frame), model.predict(frame), rtol=1e-6)


@pytest.mark.parametrize("around", ["nothing", "pipeline", "vote"])
@pytest.mark.parametrize("name", ["LGBMClassifier", "LGBMRegressor", "XGBClassifier"])
def test_categories_that_only_the_frame_tells(name, around, tmp_path):
    library = pytest.importorskip("lightgbm" if name.startswith("LGBM") else "xgboost")
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(80, 2)), columns=["a", "b"])
    frame["c"] = pd.Categorical(rng.choice(["\xfc", "v", "w"], 80), ordered=True)
    frame["d"] = rng.integers(0, 3, 80)
    y = (frame["a"] + (frame["c"] == "v") > 0).astype(int)
    params = {"verbose": -1} if name.startswith("LGBM") else {"enable_categorical": True}
    model = getattr(library, name)(n_estimators=3, n_jobs=1, **params)
    classifies = is_classifier(model)
    if around == "pipeline":
        model = make_pipeline(FunctionTransformer(), model)
    elif around == "vote":
        model = (VotingClassifier if classifies else VotingRegressor)([("a", model)])
    model.fit(frame, y)
    wrapper = PrunedClassifier if classifies else PrunedRegressor
    write = f"{wrapper.__name__}(FrozenEstimator(model), keep=1.0).fit(X, y)"
    with pytest.raises(TypeError, match=f"its categories .* Write {re.escape(write)}"):
        save(model, tmp_path / "m.skprune")
    save(wrapper(FrozenEstimator(model), keep=1.0).fit(frame, y), tmp_path / "m.skprune")
    loaded = load(tmp_path / "m.skprune")
    np.testing.assert_allclose(loaded.predict(frame), model.predict(frame), rtol=1e-6)


def test_where_sparse_leaves_begin_is_mapped(path):
    X, y = load_digits(return_X_y=True)
    model = RandomForestClassifier(20, max_depth=6, random_state=0).fit(X, y)
    save(model, path, compress=False)
    loaded = load(path, mmap_mode="r")
    assert type(loaded.trees_.table).__name__ == "SparseLeaves"
    assert isinstance(loaded.trees_.table.start.base, np.memmap)
    for predictor in (loaded, load(path), pickle.loads(pickle.dumps(loaded))):
        np.testing.assert_array_equal(predictor.predict_proba(X), model.predict_proba(X))


def test_loaded_models_are_rounded_again(models, files, path):
    """Nets hold sparse weights whose values are rounded already."""
    for name in ("net", "net in integers", "net of shared values", "net for numbers"):
        _, rows = models[name]
        for scheme in ("int8", "float16", "codebook"):
            path.write_bytes(files[name])
            once = load(path).quantized(Quantizer(scheme))
            save(once, path)
            again = load(path).quantized(Quantizer(scheme))
            np.testing.assert_array_equal(again.predict(rows), once.predict(rows))


def test_witness_rows_are_compared(models, files, path):
    for name in ("forest of names", "boosting with missing values", "pipeline", "vote"):
        model, _ = models[name]
        path.write_bytes(files[name])
        loaded = load(path, verify=True)
        assert re.fullmatch(
            r"\d\d witness rows: (labels equal)?(, )?(scores within 0 ulp)?",
            loaded.verification_,
        )
        document, _ = members_of(files[name])
        assert len(json.dumps(document["witness"])) < 12_000
        save(loaded, path)
        assert path.read_bytes() == files[name]
        save(model, path, witness=False)
        assert path.stat().st_size < len(files[name])
        with pytest.raises(LoadError, match="witness=True"):
            load(path, verify=True)


def test_other_answers_are_found(files, path):
    document, members = members_of(files["forest of names"])
    labels = document["witness"]["dict"]["labels"]
    labels[0]["U"].reverse()
    write(path, document, members)
    load(path)
    with pytest.raises(LoadError, match="must give the labels"):
        load(path, verify=True)
    document, members = members_of(files["lasso"])
    scores = document["witness"]["dict"]["scores"]
    found = np.load(io.BytesIO(members[f"{scores['npy']}.npy"]))
    stream = io.BytesIO()
    np.save(stream, found + 3 * np.spacing(np.abs(found)))
    write(path, document, members | {f"{scores['npy']}.npy": stream.getvalue()})
    assert load(path, verify=True).verification_.endswith("scores within 3 ulp")


def test_witness_rows_are_no_training_rows(models, files):
    for name in ("neighbours", "tree", "logistic"):
        document, members = members_of(files[name])
        rows = document["witness"]["dict"]["columns"]
        if "npy" in rows:
            rows = np.load(io.BytesIO(members[f"{rows['npy']}.npy"]))
        else:
            rows = np.array(rows["f8"]).reshape(rows["shape"])
        X = models[name][1]
        assert not (rows[:, None] == X).all(axis=2).any()


METADATA = {"name": "iris", "metrics": {"accuracy": [0.9, None]}, "form": "x", "same": 0}


def test_metadata_is_kept(models, path):
    model, _ = models["pipeline"]
    save(model, path, metadata=METADATA)
    loaded = load(path)
    assert loaded.metadata_ == METADATA
    save(loaded, path)
    assert load(path).metadata_ == METADATA
    save(loaded, path, metadata={"a": 1})
    assert load(path).metadata_ == {"a": 1}
    assert not hasattr(load(path).members_[0], "metadata_")


@pytest.mark.parametrize("wrong", [{"a": np.nan}, {"a": np.ones(2)}, [1], "a", {"a": {1}}])
def test_metadata_is_json(wrong, models, path):
    with pytest.raises(TypeError, match="metadata must"):
        save(models["tree"][0], path, metadata=wrong)
    assert not path.exists()


def test_functions_are_matched_by_name(path):
    for function in (doubled, np.log1p, None):
        step = FunctionTransformer(function, check_inverse=False)
        model = make_pipeline(step, LogisticRegression(max_iter=500)).fit(X, LABELS)
        save(model, path)
        if function is doubled:
            with pytest.raises(LoadError, match=r"functions=\{'doubled': doubled\}"):
                load(path)
            with pytest.raises(LoadError, match="'doubled'"):
                load(path, functions={"other": doubled})
        loaded = load(path, functions={"doubled": doubled})
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    for wrong in (doubled, [doubled], {"doubled": 1}):
        with pytest.raises(TypeError, match="functions must be a dict"):
            load(path, functions=wrong)


def test_patterns_of_vectorizers_need_consent(path):
    texts = ["a cat", "a dog", "cats and dogs", "the cat"]
    pattern = r"(?u)\b\w+\b"
    for vectorizer in (TfidfVectorizer(), TfidfVectorizer(token_pattern=pattern)):
        model = make_pipeline(vectorizer, LogisticRegression()).fit(texts, [0, 1, 1, 0])
        save(model, path)
        if vectorizer.token_pattern == pattern:
            with pytest.raises(LoadError, match="functions="):
                load(path)
        loaded = load(path, functions={pattern: re.compile}, verify=True)
        np.testing.assert_array_equal(loaded.predict(texts), model.predict(texts))
    model[0].input = "filename"
    save(model, path, witness=False)
    with pytest.raises(LoadError, match="reads files"):
        load(path, functions={pattern: re.compile})


def test_missing_values_of_pandas(path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": pd.array([1, None, 3, 4], dtype="Int64")})
    model = make_pipeline(SimpleImputer(missing_values=pd.NA), LogisticRegression())
    save(model.fit(frame, [0, 1, 0, 1]), path)
    assert load(path).predict(frame).tolist() == model.predict(frame).tolist()


@pytest.mark.parametrize("name", ["forest for numbers", "neighbours", "process"])
def test_arrays_are_mapped(name, models, path):
    model, rows = models[name]
    save(model, path, compress=False)
    assert zipfile.ZipFile(path).testzip() is None
    read, mapped = load(path), load(path, mmap_mode="r")
    maps = [part for part in arrays_in(mapped) if isinstance(part, np.memmap)]
    assert maps
    assert all(part.offset % 64 == 0 for part in maps)
    assert not any(part.flags.writeable for part in maps)
    assert_same(answers(mapped, rows), answers(read, rows))
    assert_same(answers(mapped, rows), answers(fitted_form(model), rows))
    with pytest.raises(ValueError, match="mmap_mode must"):
        load(path, mmap_mode="w+")


def test_large_files_use_wide_numbers(path, monkeypatch):
    monkeypatch.setattr(archive, "_WIDE", 300)
    array = np.arange(100.0)
    for compress in (True, False):
        parts = [("model.json", [b"{}"]), *((f"{k}.npy", npy(array)) for k in range(3))]
        with open(path, "wb") as file:
            write_archive(file, parts, compress=compress)
        with open(path, "rb") as file:
            found = archive.Archive(file, path, 10**6)
            for k in range(3):
                np.testing.assert_array_equal(read_array(found, f"{k}.npy"), array)


def test_metadata_is_copied_into_graphs(models, path):
    pytest.importorskip("onnxruntime")
    save(models["tree"][0], path, metadata=METADATA)
    found = {each.key: each.value for each in to_onnx(load(path), X[:1]).metadata_props}
    assert found["name"] == "iris"
    assert json.loads(found["metrics"]) == METADATA["metrics"]


@pytest.mark.parametrize("n_calls", [2, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("package", ["sklearn_prune.predictors", "sklearn_prune_runtime"])
@pytest.mark.parametrize("folder", sorted(ARTEFACTS.iterdir()), ids=lambda f: f.name)
def test_artefacts_predict_with_numpy_alone(folder, package, n_calls, tmp_path):
    copy_runtime(tmp_path)
    script = Path(__file__).parent / "alone.py"
    command = [sys.executable, str(script), package, str(folder), str(n_calls)]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    *skops, last = done.stdout.splitlines() or [""]
    assert last == "done", done.stderr
    # SplineTransformer, AdaBoost and NearestCentroid have no form of ours
    assert {line.split()[1] for line in skops} == {"columns", "boosted_trees", "features"}


def test_the_runtime_says_what_other_parts_need(monkeypatch):
    monkeypatch.setattr(forms, "PACKAGE", "sklearn_prune_runtime")
    for word in forms.ELSEWHERE:
        with pytest.raises(ImportError, match=r"persistence\.load"):
            forms.class_of(word)


def copy_runtime(folder):
    """The folder of predictors under the name that it has in its own wheel."""
    ignore = shutil.ignore_patterns("__pycache__")
    source = Path(predictors.__file__).parent
    return shutil.copytree(source, folder / "sklearn_prune_runtime", ignore=ignore)


def test_the_runtime_wheel_is_the_folder_of_predictors(tmp_path, monkeypatch):
    build = pytest.importorskip("hatchling.build")
    monkeypatch.chdir(ROOT / "runtime")
    wheel = zipfile.ZipFile(tmp_path / build.build_wheel(str(tmp_path)))
    found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = copy_runtime(tmp_path).rglob("*.py")
    assert found == {file.relative_to(tmp_path).as_posix() for file in files}
    (metadata,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    lines = wheel.read(metadata).decode().splitlines()
    needs = [line for line in lines if line.startswith("Requires-Dist")]
    assert needs == ["Requires-Dist: numpy>=2.0"]
    assert f"Version: {sklearn_prune.__version__}" in lines


def test_arrays_of_a_loaded_predictor_are_read_only(models, path):
    for name in ("logistic", "support vectors", "net", "forest", "neighbours", "lasso"):
        save(models[name][0], path)
        loaded = load(path)
        parts = [part for part in vars(loaded).values() if isinstance(part, np.ndarray)]
        assert parts
        assert not any(part.flags.writeable for part in parts)
        found = loaded.predict(X)
        found[:] = found[::-1].copy()  # what is predicted is the caller's
        assert_same(answers(loaded, X), answers(load(path), X))


@pytest.mark.parametrize("name", ["forest", "boosting", "forest for numbers"])
def test_pickles_of_large_forests_hold_their_arrays(name, models, path, monkeypatch):
    model, rows = models[name]
    compact = fitted_form(model)
    small = pickle.dumps(compact)
    monkeypatch.setattr(flat, "MAPPED", 0)
    buffers = []
    content = pickle.dumps(compact, protocol=5, buffer_callback=buffers.append)
    shared = pickle.loads(content, buffers=buffers)
    joblib.dump(compact, path)
    mapped = joblib.load(path, mmap_mode="r")
    assert np.shares_memory(shared.trees_.nodes, compact.trees_.nodes)
    assert any(isinstance(part, np.memmap) for part in arrays_in(mapped))
    assert isinstance(mapped.trees_.nodes.base, np.memmap)
    for other in (shared, mapped, pickle.loads(small)):
        assert_same(answers(other, rows), answers(compact, rows))


def test_few_modules_are_imported(path):
    save(sk_tree(), path)
    script = (
        "import sys, numpy\nbefore = len(sys.modules)\n"
        "from sklearn_prune.predictors import load\n"
        "load(sys.argv[1]).predict(numpy.zeros((1, 4)))\n"
        "print(len(sys.modules) - before)"
    )
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 40


def sk_tree():
    return DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, LABELS)


def test_sizes(path):
    save(sk_tree(), path, witness=False)
    assert path.stat().st_size < 600
    digits = load_digits(return_X_y=True)
    save(RandomForestClassifier(100, random_state=0).fit(*digits), path, witness=False)
    assert path.stat().st_size < 48_823  # in format 1
    with_rows = path.stat().st_size
    save(load(path), path)
    assert path.stat().st_size < with_rows + 2_500
