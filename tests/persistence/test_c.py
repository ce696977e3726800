"""What to_c writes: compiled, it answers as the model does."""

import re
import subprocess
import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_prune import PrunedClassifier, PrunedRegressor, compact
from sklearn_prune.persistence import LoadError, load, save, to_c
from sklearn_prune.persistence.export import TreeWalk
from sklearn_prune.persistence.export.c.text import is_identifier, number, quoted
from sklearn_prune.persistence.export.c.trees import rounded
from sklearn_prune.predictors import TINY
from tests.estimators import sk
from tests.matrix import fitted_models
from tests.persistence.c_program import FLAGS, CProgram
from tests.persistence.damage import forged

N_WRONG = 500  # wrong files
METHODS = ("predict", "predict_proba", "decision_function")


def data(n_classes=3, *, missing=False, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(150, 5)).round(2)
    X[:, 3] = np.abs(np.floor(4 * X[:, 3]))
    target = X[:, 0] + X[:, 1] * (X[:, 3] > 2) + rng.normal(size=150) / 4
    if missing:
        X[rng.random(X.shape) < 0.15] = np.nan
    if n_classes is None:
        return X, target
    return X, np.digitize(target, np.quantile(target, np.arange(1, n_classes) / n_classes))


def rows_for(model, dtype):
    """Rows in the range of the fit, beyond it, and at the thresholds of trees."""
    rng = np.random.default_rng(1)
    X = data()[0]
    X = np.concatenate([X, 3 * X[:40] + rng.normal(size=(40, 5))]).astype(dtype)
    parts = [X, np.zeros((1, 5)), np.full((1, 5), 1e30), np.full((1, 5), -1e30)]
    form = compact(model)
    allow_nan = form.__sklearn_tags__().input_tags.allow_nan
    if allow_nan:
        parts.append(np.where(rng.random(X.shape) < 0.3, np.nan, X))
    if getattr(form, "allows_infinity", False) and not form.categories_:
        parts.append(np.where(rng.random(X.shape) < 0.1, rng.choice([-np.inf, np.inf]), X))
    if hasattr(form, "trees_"):
        walk = TreeWalk(form, dtype, allow_nan=allow_nan, most=100)
        parts += [part[:, :5] for part in walk.rows()][:1]
    return np.concatenate(parts).astype(dtype)


def compare(model, program, *, equal=METHODS, tolerance=1e-12):
    """Labels are equal, and so are answers of the methods named, to the bit."""
    form = compact(model)
    X = rows_for(model, program.input)
    for method in program.widths:
        with np.errstate(all="ignore"):
            wanted = getattr(form, method)(X)
        if isinstance(wanted, list):
            wanted = np.hstack(wanted)
        found = program.ask(method, X)
        if "N_CLASSES" in program.macros and method == "predict":
            found = np.asarray(form.classes_)[found]
        wanted = np.asarray(wanted).reshape(found.shape)
        if method in equal or wanted.dtype.kind != "f":
            np.testing.assert_array_equal(found, wanted, err_msg=method)
        else:
            scale = tolerance * max(1, np.abs(wanted).max())
            np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=scale)


def forests():
    names = np.array(['a"\\', "b??/", "ü\n"])
    X, y = data()
    yield "tree", sk.DecisionTreeClassifier(random_state=0).fit(X, y)
    yield "stump", sk.DecisionTreeClassifier(max_depth=1).fit(X, y)
    yield "leaf", sk.DecisionTreeClassifier(max_depth=1).fit(X, np.zeros(len(X), int))
    yield "texts", sk.RandomForestClassifier(7, random_state=0).fit(X, names[y])
    two = np.stack([y, y > 1], axis=1).astype(int)
    yield "outputs", sk.ExtraTreesClassifier(5, random_state=0).fit(X, two)
    X_nan, y_nan = data(2, missing=True)
    yield "missing", sk.RandomForestClassifier(7, random_state=0).fit(X_nan, y_nan)
    X, target = data(None)
    yield "numbers", sk.RandomForestRegressor(7, random_state=0).fit(X, target)
    both = np.stack([target, -target], axis=1)
    yield "two numbers", sk.RandomForestRegressor(3, random_state=0).fit(X, both)


def pruned(name):
    """A forest with scores in its leaves, or with rounded class shares."""
    options = {
        "scores": {"keep": 0.3},
        "int8": {"keep": 0.5, "quantize": "int8"},
        "rounded shares": {"keep": 3, "unit": "tree", "refit": False, "quantize": "int8"},
        "halves": {"keep": 3, "unit": "tree", "refit": False, "quantize": "float16"},
        "two classes": {"keep": 0.3},
        "means": {"keep": 0.3},
    }[name]
    n_classes = {"two classes": 2, "means": None}.get(name, 3)
    X, y = data(n_classes)
    kind, wrapper = sk.RandomForestClassifier, PrunedClassifier
    if n_classes is None:
        kind, wrapper = sk.RandomForestRegressor, PrunedRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return wrapper(kind(4, max_depth=4, random_state=0), random_state=0, **options).fit(
            X, y
        )


@pytest.mark.parametrize(
    ("optimize", "layout"), [("speed", "arrays"), ("size", "arrays"), ("speed", "auto")]
)
@pytest.mark.parametrize("model", [pytest.param(m, id=name) for name, m in forests()])
def test_forests_are_equal_to_the_bit(model, optimize, layout, tmp_path):
    program = CProgram(model, tmp_path, optimize=optimize, layout=layout)
    compare(model, program)
    assert program.selftest() == 0
    sizes = program.sections
    assert sizes[".data"] == sizes[".bss"] == 0
    names = subprocess.run(["nm", "-u", "model.o"], cwd=tmp_path, capture_output=True)
    assert not names.stdout.split()  # no function of a library


@pytest.mark.parametrize(
    "name", ["scores", "int8", "rounded shares", "halves", "two classes", "means"]
)
def test_pruned_forests(name, tmp_path):
    model = pruned(name)
    program = CProgram(model, tmp_path)
    compare(model, program, equal=("decision_function",), tolerance=1e-15)
    assert program.selftest() == 0


def boosting():
    X, y = data()
    X2, y2 = data(2, missing=True)
    _, target = data(None)
    yield "gradient", sk.GradientBoostingClassifier(n_estimators=9).fit(X, y)
    yield "gradient numbers", sk.GradientBoostingRegressor(n_estimators=9).fit(X, target)
    options = {"max_iter": 9, "random_state": 0}
    yield "hist", sk.HistGradientBoostingClassifier(**options).fit(X2, y2)
    yield "hist three", sk.HistGradientBoostingClassifier(**options).fit(X, y)
    sets = sk.HistGradientBoostingClassifier(categorical_features=[3], **options)
    yield "hist sets", sets.fit(X, y > 0)
    poisson = sk.HistGradientBoostingRegressor(loss="poisson", **options)
    yield "hist poisson", poisson.fit(X, np.abs(target))


def libraries():
    lightgbm = pytest.importorskip("lightgbm")
    xgboost = pytest.importorskip("xgboost")
    X, y = data()
    X2, y2 = data(2, missing=True)
    _, target = data(None)
    light = {"n_estimators": 9, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
    yield lightgbm.LGBMClassifier(**light).fit(X2, y2)
    yield lightgbm.LGBMClassifier(**light).fit(X, y, categorical_feature=[3])
    zeros = lightgbm.LGBMClassifier(zero_as_missing=True, **light)
    yield zeros.fit(np.where(np.isnan(X2), 0.0, X2), y2)
    yield lightgbm.LGBMRegressor(
        boosting_type="rf", subsample=0.5, subsample_freq=1, **light
    ).fit(X, target)
    extreme = {"n_estimators": 9, "n_jobs": 1}
    yield xgboost.XGBClassifier(**extreme).fit(X2, y2)
    yield xgboost.XGBClassifier(missing=0.0, **extreme).fit(X, y)
    yield xgboost.XGBRegressor(objective="count:poisson", **extreme).fit(X, np.abs(target))


@pytest.mark.parametrize(
    ("precision", "layout"),
    [("double", "arrays"), ("double", "auto"), ("float", "arrays"), ("float", "auto")],
)
@pytest.mark.parametrize("model", [pytest.param(m, id=name) for name, m in boosting()])
def test_boosting_of_scikit_learn(model, precision, layout, tmp_path):
    program = CProgram(model, tmp_path, precision=precision, layout=layout)
    if precision == "double":
        compare(model, program, equal=("decision_function",), tolerance=1e-15)
    else:
        compare(model, program, equal=(), tolerance=1e-6)
    assert program.selftest() == 0


def test_boosting_of_other_libraries(tmp_path):
    for number_, model in enumerate(libraries()):
        program = CProgram(model, tmp_path, name=f"model{number_}")
        compare(model, program, equal=("decision_function",), tolerance=3e-7)
        assert program.selftest() == 0


def linear():
    X, y = data()
    two, target = data(2)[1], data(None)[1]
    yield "softmax", sk.LogisticRegression().fit(X, y)
    yield "logistic", sk.LogisticRegression().fit(X, two)
    yield "huber", sk.SGDClassifier(loss="modified_huber", random_state=0).fit(X, y)
    yield "rest", sk.SGDClassifier(loss="log_loss", random_state=0).fit(X, y)
    yield "margins", sk.LinearSVC().fit(X, y)
    yield "numbers", sk.Ridge().fit(X, np.stack([target, -target], axis=1))
    yield "lasso", sk.Lasso(0.1).fit(X, target)
    yield "poisson", sk.PoissonRegressor().fit(X, np.abs(target))
    yield "labels", sk.RidgeClassifier().fit(X, np.stack([y > 0, y > 1], axis=1))
    model = sk.LogisticRegression(max_iter=500)
    yield "few", PrunedClassifier(model, keep=7, unit="coefficient").fit(X, y)


def kernels():
    X, y = data()
    two, target = data(2)[1], data(None)[1]
    yield "rbf", sk.SVC().fit(X, two)
    yield "sigmoid", sk.SVC(kernel="sigmoid", gamma=0.01).fit(X, two)
    yield "poly", sk.SVR(kernel="poly", degree=2, coef0=1.0, gamma=0.05).fit(X, target)
    yield "line", sk.SVR(kernel="linear").fit(X, target)
    ridge = sk.KernelRidge(kernel="laplacian")
    yield "outputs", ridge.fit(X, np.stack([target, -target], axis=1))
    few = {"unit": "support_vector", "random_state": 0}
    yield "moved", PrunedClassifier(sk.SVC(), keep=9, **few).fit(X, y)
    yield "codes", PrunedClassifier(sk.SVC(), keep=9, quantize="int8", **few).fit(X, y)
    yield "hinge", PrunedClassifier(sk.SVC(), keep=9, **few).fit(X, two)
    model = sk.SVC(probability=True, random_state=0)
    with warnings.catch_warnings(action="ignore"):
        yield "shares", PrunedClassifier(model, keep=9, **few).fit(X, y)


SMOOTH = [*linear(), *kernels()]


@pytest.mark.parametrize("model", [pytest.param(m, id=name) for name, m in SMOOTH])
def test_linear_models_and_kernel_machines(model, tmp_path):
    for precision, tolerance in (("double", 1e-12), ("float", 1e-5)):
        if np.dtype(getattr(compact(model), "precision_", "f8")) == np.float32:
            tolerance = 1e-5  # numpy's sums are in single precision
        if getattr(model, "kernel", None) == "poly" and precision == "float":
            with pytest.raises(TypeError, match="lose too many digits"):
                to_c(model, tmp_path / "model.c", precision=precision)
            continue
        program = CProgram(model, tmp_path, name=precision[:3], precision=precision)
        X = np.abs(rows_for(model, program.input)) < 1e6
        assert X.any()
        form = compact(model)
        X = rows_for(model, program.input)[: len(data()[0])]
        for method in program.widths:
            wanted = np.asarray(getattr(form, method)(X.astype(np.float64)))
            found = program.ask(method, X)
            if "N_CLASSES" in program.macros and method == "predict":
                found = np.asarray(form.classes_)[found]
            wanted = wanted.reshape(found.shape)
            scale = tolerance * max(1, np.abs(wanted).max())
            np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=scale)
        assert program.selftest() == 0


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [
        ("g++", ("-x", "c++", "-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror")),
        ("clang", FLAGS),
        ("gcc", ("-O3", "-march=native", "-std=gnu11", "-Wall", "-Wextra", "-Werror")),
    ],
)
def test_other_compilers(compiler, flags, tmp_path):
    X, y = data()
    options = {"max_iter": 5, "random_state": 0, "categorical_features": [3]}
    hist = sk.HistGradientBoostingClassifier(**options).fit(X, y)
    for name, model in (("scores", pruned("scores")), ("hist", hist)):
        program = CProgram(model, tmp_path, name, compiler=compiler, flags=flags)
        compare(model, program, equal=("decision_function",), tolerance=1e-15)


def test_fast_math_does_not_compile(tmp_path):
    CProgram(dict(forests())["stump"], tmp_path)
    command = ["gcc", "-ffast-math", "-c", "model.c", "-o", "fast.o"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "-ffast-math" in done.stderr


def test_same_text_for_the_same_model(tmp_path):
    model = dict(forests())["numbers"]
    texts = []
    for _ in range(2):
        to_c(model, tmp_path / "model.c")
        texts.append([(tmp_path / f"model.{end}").read_bytes() for end in "ch"])
    assert texts[0] == texts[1]


def test_selftest_finds_another_threshold(tmp_path):
    model = dict(forests())["stump"]
    program = CProgram(model, tmp_path, layout="arrays")
    edge = float(re.search(r"edge\[1\] = \{\s*(\S+)f,", program.source)[1])
    other = number(np.nextafter(np.float32(edge), np.float32(np.inf)), "float")
    (tmp_path / "model.c").write_text(program.source.replace(f"{edge}f", other))
    program.library = program._library()
    assert program.selftest() > 0


@pytest.mark.parametrize(
    ("labels", "written"),
    [
        ([0, 1], "const int32_t model_labels[2] = {\n0,1,\n};"),
        (
            [-(2**31), 2**31 - 1],
            "int32_t model_labels[2] = {\n(-2147483647 - 1),2147483647,",
        ),
        ([0, 2**31], "int64_t model_labels[2] = {\nINT64_C(0),INT64_C(2147483648),"),
        ([-(2**63), 0], "(-INT64_C(9223372036854775807) - 1),INT64_C(0)"),
        ([False, True], "int32_t model_labels[2] = {\n0,1,"),
        (['"', "\\"], 'char *const model_labels[2] = {\n"\\042","\\134",'),
    ],
)
def test_labels(labels, written, tmp_path):
    X, y = data(2)
    program = CProgram(
        sk.DecisionTreeClassifier(max_depth=1).fit(X, np.array(labels)[y]), tmp_path
    )
    assert written in program.source


def test_labels_that_c_does_not_have(tmp_path):
    X, y = data(2)
    model = sk.DecisionTreeClassifier(max_depth=1)
    for labels, match in (
        (["a\0b", "c"], "without NUL"),
        (np.array([0, 2**63], dtype=np.uint64), r"below 2\*\*63"),
        (np.array([0, "a"], dtype=object), "all texts, or all numbers"),
    ):
        form = compact(model.fit(X, y))
        form.classes_ = np.array(labels)
        with pytest.raises(TypeError, match=match):
            to_c(form, tmp_path / "model.c")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"path": "model.txt"}, "must end in .c"),
        ({"path": "int.c"}, "no keyword"),
        ({"path": "my-model.c"}, "identifier"),
        ({"precision": "half"}, "^precision must be one of double, float"),
        ({"optimize": "all"}, "^optimize must be one of"),
        ({"layout": "tree"}, "^layout must be one of"),
        ({"leaf_bits": 9}, "^leaf_bits must be None or from 1 to 7"),
        ({"leaf_bits": True}, "^leaf_bits must be None or from 1 to 7"),
        ({"leaf_bits": 5}, '^leaf_bits needs layout="stream"'),
    ],
)
def test_arguments(options, match, tmp_path):
    options = {"path": "model.c", **options}
    path = tmp_path / options.pop("path")
    with pytest.raises(ValueError, match=match):
        to_c(dict(forests())["stump"], path, **options)


def test_models_without_c(tmp_path):
    X, y = data()
    with pytest.raises(TypeError, match="to_c writes trees, forests"):
        to_c(sk.KNeighborsClassifier().fit(X, y), tmp_path / "model.c")
    with pytest.raises(TypeError, match="votes between pairs of classes"):
        to_c(sk.SVC().fit(X, y), tmp_path / "model.c")
    with pytest.raises(TypeError, match="kernel='cosine'"):
        to_c(sk.KernelRidge(kernel="cosine").fit(X, y), tmp_path / "model.c")


@given(st.floats(width=32))
def test_floats_are_exact(value):
    text = number(value, "float")
    if np.isfinite(value):
        assert re.fullmatch(r"-?\d+\.\d*(e-?\d+)?f|-?\d+(\.\d*)?e-?\d+f", text)
        again = np.float32(float(text[:-1]))
        assert again.tobytes() == np.float32(value).tobytes()
    else:
        assert text in ("NAN", "INFINITY", "-INFINITY")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_are_exact(value):
    text = number(value, "double")
    assert re.search("[.e]", text)
    assert np.float64(text).tobytes() == np.float64(value).tobytes()


@given(st.text())
def test_texts_are_plain(text):
    if "\0" in text:
        return
    literal = quoted(text)
    assert re.fullmatch(r'"([ -!#->@-\[\]-~]|\\[0-7]{3})*"', literal)
    marks = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), literal[1:-1])
    assert marks.encode("latin1") == text.encode("utf-8", "surrogatepass")


@given(st.floats(-1e-34, 1e-34), st.floats(-1e-34, 1e-34))
def test_thresholds_of_numbers_that_count_as_zero(value, threshold):
    read = 0.0 if abs(value) <= TINY else value
    assert (value <= rounded(np.array([threshold]), "double", TINY)[0]) == (
        read <= threshold
    )


@given(st.floats(width=32, allow_nan=False), st.floats(allow_nan=False))
def test_thresholds_of_floats(value, threshold):
    below = rounded(np.array([threshold]), "float")[0]
    assert (np.float32(value) <= np.float32(below)) == (value <= threshold)


def test_identifiers():
    for name in ("a", "model_2", "M" * 31):
        assert is_identifier(name)
    for name in ("", "2a", "_a", "a__b", "a-b", "class", "while", "ä", "M" * 32, "a b"):
        assert not is_identifier(name)


@pytest.mark.slow
def test_wrong_files_become_the_same_c(tmp_path):
    """Files with right sums and wrong content: what is loaded and written answers alike."""
    pytest.importorskip("skops")
    models, files = {}, {}
    for name, (model, rows) in fitted_models().items():
        try:
            to_c(model, tmp_path / "model.c")
        except (TypeError, ValueError):
            continue
        models[name] = model, rows
    names = list(models)
    for name, (model, _) in models.items():
        save(model, tmp_path / "model.skprune")
        files[name] = (tmp_path / "model.skprune").read_bytes()
    found = Counter()
    for number_ in range(N_WRONG):
        random = np.random.default_rng(number_)
        name = names[number_ % len(names)]
        forged(files[name], tmp_path / "model.skprune", random)
        try:
            form = load(tmp_path / "model.skprune")
        except LoadError:
            found["refused"] += 1
            continue
        rows = np.asarray(models[name][1][:20], dtype=np.float32).astype(float)
        try:
            wanted = form.predict(rows)
        except Exception:
            found["fails in predict"] += 1
            continue
        try:
            program = CProgram(form, tmp_path, name=f"model{number_}")
        except TypeError:
            found["refused by to_c"] += 1
            continue
        answer = program.ask("predict", rows)
        if "N_CLASSES" in program.macros:
            answer = np.asarray(form.classes_)[answer]
        assert_close(answer.reshape(wanted.shape), wanted)
        found["equal"] += 1
    print(found)
    assert found["equal"] > N_WRONG / 10


def assert_close(found, wanted):
    if wanted.dtype.kind == "f":
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(found, wanted, rtol=1e-6, equal_nan=True)
    else:
        np.testing.assert_array_equal(found, wanted)
