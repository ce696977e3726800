import copy
import json
import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import sklearn_prune
from sklearn_prune import PrunedClassifier
from sklearn_prune._describe_functions import canonical_json
from sklearn_prune.comparison.provenance.descriptions import describe, describe_data, digest
from sklearn_prune.comparison.provenance.manifest import environment, first_difference


def manifest():
    """A manifest of two variants, two folds and two scorers."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1797, 4)), rng.integers(0, 2, size=1797)
    forest = make_pipeline(
        StandardScaler(), PrunedClassifier(LogisticRegression(class_weight={0: 1, 1: 2}))
    )
    square = FunctionTransformer(lambda X: X**2, kw_args={"by": (1, 2)})

    def fold(number, name):
        return {
            "scores": {"accuracy": (0.91 + number / 100).hex(), "log_loss": (-0.3).hex()},
            "rows": digest(np.arange(number, 9)) if name == "forest" else None,
            "mask": digest(np.arange(number, 5)),
            "predictions": digest(np.arange(number, 12)),
        }

    return {
        "format": 1,
        "environment": environment(),
        "data": {
            "X": describe_data(X),
            "y": describe_data(y),
            "groups": None,
            "params": {"sample_weight": describe_data(np.ones(1797))},
        },
        "design": {
            "seed": 0,
            "fold_seeds": [3, 4],
            "splits": [{"train": "a", "test": "b"}, {"train": "c", "test": "d"}],
            "scoring": {"accuracy": "accuracy"},
            "margins": {"accuracy": 0.01},
            "alpha": 0.05,
            "chains": {"forest": ["forest"]},
            "controls": ["random"],
            "baseline": "plain",
        },
        "estimators": {"forest": describe(forest), "plain": describe(square)},
        "results": {
            name: [
                fold(number, name) | {"controls": {"random": fold(number, name)}}
                for number in range(2)
            ]
            for name in ("plain", "forest")
        },
        "sha256": "0" * 64,
    }


MANIFEST = manifest()
PRUNED = "estimators forest params steps 1 tuple 1 params"


def with_entry(path, value):
    """The manifest with another value, or without the entry, at a path of keys."""
    changed = copy.deepcopy(MANIFEST)
    place = changed
    for key in path[:-1]:
        place = place[key]
    if value is NOTHING:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


NOTHING = object()
OTHER_X = np.random.default_rng(0).normal(size=(1797, 4))
OTHER_X[130, 2] += 1


IN_PRUNED = "estimators['forest'].params.steps['prunedclassifier'].params"
IN_SQUARE = "estimators['plain'].params"
CUBE = describe(FunctionTransformer(lambda X: X**3))["params"]["func"]
LAST_IS_0 = describe_data(1.0 * (np.arange(1797) < 1796))
WEIGHTS = "data params sample_weight"
FOREST_1, PLAIN_1 = "results['forest'], fold 1: ", "results['plain'], fold 1: "


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("format", 2, "format was 1, is 2"),
        ("environment numpy", "9.9", "environment.numpy was 'NUMPY', is '9.9'"),
        ("environment numba", NOTHING, "environment.numba was 'NUMBA', is not there"),
        ("environment added", "2", "environment.added was not there, is '2'"),
        ("environment threads", 2, "environment.threads was 1, is 2"),
        (
            "environment blas 0 version",
            "0",
            "environment.blas[0].version was 'BLAS', is '0'",
        ),
        ("data X", describe_data(OTHER_X), "X: rows 112 to 139 of 1797 differ"),
        ("data X", describe_data(OTHER_X[:9]), "X.shape was [1797, 4], is [9, 4]"),
        (
            "data X",
            describe_data(OTHER_X.astype("f4")),
            "X.dtype was 'float64', is 'float32'",
        ),
        ("data X", describe_data(None), "X.kind was 'array', is 'none'"),
        (WEIGHTS, LAST_IS_0, "params.sample_weight: rows 1768 to 1796 of 1797 differ"),
        ("data params groups", None, "params.groups was not there, is None"),
        ("design seed", 1, "design.seed was 0, is 1"),
        ("design fold_seeds 1", 5, "design.fold_seeds was [3, 4], is [3, 5]"),
        ("design splits 1 test", "e", "design.splits[1].test changed"),
        ("design splits 1", NOTHING, "design.splits had 2 entries, has 1"),
        ("design margins accuracy", 0.02, "design.margins.accuracy was 0.01, is 0.02"),
        ("design controls", [], "design.controls was ['random'], is []"),
        (
            "estimators new",
            describe(LogisticRegression()),
            "estimators['new'] was not there, is LogisticRegression(...)",
        ),
        (f"{PRUNED} keep", 0.4, f"{IN_PRUNED}.keep was 0.5, is 0.4"),
        (
            f"{PRUNED} estimator params class_weight",
            describe({0: 1, 1: 3}),
            f"{IN_PRUNED}.estimator.params.class_weight[1] was 2, is 3",
        ),
        (
            f"{PRUNED} criterion",
            describe(StandardScaler()),
            f"{IN_PRUNED}.criterion was None, is StandardScaler(...)",
        ),
        (
            "estimators plain params func",
            CUBE,
            f"{IN_SQUARE}.func was <lambda>, is another",
        ),
        ("estimators plain params func code", "0", f"{IN_SQUARE}.func.code changed"),
        (
            "estimators plain params kw_args",
            describe({"by": (1, 2, 3)}),
            f"{IN_SQUARE}.kw_args['by'] was (1, 2), is (1, 2, 3)",
        ),
        (
            "estimators forest params steps 0",
            describe(("standardscaler", "passthrough")),
            "estimators['forest'].params.steps['standardscaler'] was "
            "StandardScaler(...), is 'passthrough'",
        ),
        (
            "estimators forest fitted",
            "1",
            "estimators['forest'].fitted was not there, is '1'",
        ),
        (
            "results forest 1 scores accuracy",
            (0.93).hex(),
            f"{FOREST_1}scores.accuracy was 0.92, is 0.93",
        ),
        (
            "results forest 0 scores accuracy",
            np.nextafter(0.91, 1).hex(),
            "results['forest'], fold 0: scores.accuracy was 0.91, is 0.9100000000000001",
        ),
        (
            "results forest 1 scores accuracy",
            float("nan").hex(),
            f"{FOREST_1}scores.accuracy was 0.92, is 'nan'",
        ),
        ("results forest 1 rows", "0", f"{FOREST_1}rows changed"),
        ("results forest 1 mask", "0", f"{FOREST_1}mask changed"),
        ("results plain 1 predictions", "0", f"{PLAIN_1}predictions changed"),
        (
            "results plain 1 controls random mask",
            "0",
            f"{PLAIN_1}controls.random.mask changed",
        ),
        ("results plain 1", NOTHING, "results['plain'] had 2 entries, has 1"),
        (
            "results plain 1 controls",
            NOTHING,
            f"{PLAIN_1}controls was {{random: ...}}, is not there",
        ),
        ("sha256", "1", "sha256 changed"),
        ("note", "mine", "note was not there, is 'mine'"),
    ],
)
def test_the_first_difference(path, value, sentence):
    path = [int(key) if key.isdigit() else key for key in path.split()]
    changed = with_entry(path, value)
    here = MANIFEST["environment"]
    blas = here["blas"][0]["version"]
    expected = sentence.replace("NUMBA", here["numba"]).replace("BLAS", blas)
    assert first_difference(MANIFEST, changed) == expected.replace("NUMPY", np.__version__)
    assert first_difference(MANIFEST, MANIFEST) is None
    assert first_difference(changed, changed) is None
    assert first_difference(changed, MANIFEST)


def test_causes_before_effects():
    rows = with_entry(["results", "forest", 1, "rows"], "0")
    rows["results"]["forest"][1]["scores"]["accuracy"] = (0.93).hex()
    rows["results"]["forest"][1]["mask"] = "1"
    assert first_difference(MANIFEST, rows) == "results['forest'], fold 1: rows changed"
    rows["results"]["plain"][0]["mask"] = "1"  # a fold before
    assert "results['plain'], fold 0: mask changed" in first_difference(MANIFEST, rows)
    for section, sentence in [
        (["estimators", "plain"], "estimators['plain'] "),
        (["design", "baseline"], "design.baseline "),
        (["data", "y"], "y "),
        (["environment", "machine"], "environment.machine "),
        (["environment", "scipy"], "environment.scipy "),
        (["format"], "format "),
    ]:
        place = rows if len(section) == 1 else rows[section[0]]
        place[section[-1]] = "other"
        assert first_difference(MANIFEST, rows).startswith(sentence)


def entries(thing, path=()):
    """Paths to all that is no container."""
    if isinstance(thing, dict) and thing:
        for key, value in thing.items():
            yield from entries(value, (*path, key))
    elif isinstance(thing, list) and thing:
        for position, value in enumerate(thing):
            yield from entries(value, (*path, position))
    else:
        yield path


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=100)
@given(st.sampled_from(sorted(entries(MANIFEST), key=str)), st.data())
def test_any_change_is_named_in_one_line(path, data):
    path = path[: data.draw(st.integers(1, len(path)))]
    value = data.draw(JSON | st.just(NOTHING))
    changed = with_entry(path, value)
    for pair in ((MANIFEST, changed), (changed, MANIFEST)):
        sentence = first_difference(*pair)
        if changed == MANIFEST:
            assert sentence is None
        else:
            assert isinstance(sentence, str)
            assert len(sentence) < 400
            assert "\n" not in sentence


@given(JSON, JSON)
def test_anything_can_be_compared(one, other):
    difference = first_difference({"data": one, "results": one}, {"data": other})
    assert isinstance(difference, str)
    assert (first_difference(one, other) is None) == (one == other)
    for section in ("environment", "data", "design", "estimators", "results"):
        sentence = first_difference({section: one}, {section: other})
        assert (sentence is None) == (one == other)
        sentence = first_difference({section: {"a": one}}, {section: {"a": other}})
        assert (sentence is None) == (one == other)


def test_data_frames():
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    for other, sentence in [
        (
            X.rename(columns={"b": "c"}),
            "X.columns[1] was ['b', 'float64'], is ['c', 'float64']",
        ),
        (X.astype({"b": "f4"}), "X.columns[1] was ['b', 'float64'], is ['b', 'float32']"),
        (X.assign(b=[0.5, 2]), "X: row 1 of 2 differs"),
        (X.to_numpy(), "X.kind was 'frame', is 'array'"),
        ({"X": X}, "X.kind was 'frame', is 'parts'"),
    ]:
        old, new = ({"data": {"X": describe_data(data)}} for data in (X, other))
        assert first_difference(old, new) == sentence
    old, new = (
        {"data": {"X": describe_data({"left": X, "right": right})}}
        for right in (np.arange(3), np.arange(3) // 2)
    )
    assert first_difference(old, new) == "X.parts.right: rows 1 to 2 of 3 differ"


def test_environment():
    here = environment()
    assert here["python"] == platform.python_version()
    assert here["sklearn"] == sklearn.__version__
    assert here["sklearn_prune"] == sklearn_prune.__version__
    assert here["threads"] == 1
    assert here["machine"] == platform.machine()
    assert all(set(entry) == {"name", "version", "architecture"} for entry in here["blas"])
    assert here["blas"]
    text = canonical_json(here)
    assert "num_threads" not in text
    for place in (os.getcwd(), sys.prefix, platform.node(), ".so"):
        assert place not in text
    assert json.loads(text) == environment()


def test_environment_is_the_same_elsewhere():
    described = [describe(make_pipeline(TfidfVectorizer(), LogisticRegression()))]
    script = (
        "import json\n"
        "from sklearn_prune.comparison.provenance.manifest import environment\n"
        f"print(json.dumps(environment({described!r})))"
    )
    threads = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    output = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | threads,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(output.stdout) == environment(described)


def test_packages_that_estimators_come_from_are_listed():
    imblearn = pytest.importorskip("imblearn")
    import pandas as pd
    from imblearn.under_sampling import RandomUnderSampler

    sampler = describe(RandomUnderSampler())
    reader = describe(FunctionTransformer(pd.DataFrame))
    local = describe([LogisticRegression, json.dumps, test_environment])
    plain = environment([local])
    assert "pandas" not in plain
    assert environment([sampler])["imblearn"] == imblearn.__version__
    assert environment([sampler, reader]) == {
        **plain,
        "imblearn": imblearn.__version__,
        "pandas": pd.__version__,
    }
    assert not {"json", "builtins", __name__} & plain.keys()
