"""check_export of every form that is exported, and how it runs what it checks."""

import os
import shutil
import warnings

import numpy as np
import pytest
from scipy.sparse import issparse
from sklearn.pipeline import make_pipeline

from sklearn_prune.persistence import check_export, load, save, to_c, to_onnx
from sklearn_prune.persistence._witness import witness_of
from tests.estimators import sk
from tests.matrix import BINARY, LABELS, NAMES, TARGET, X, matrix

MODELS = [name for name, *_ in matrix()]
FEW = ["forest of names", "boosting", "logistic"]
needs_compiler = pytest.mark.skipif(
    not (shutil.which("gcc") or shutil.which("cc")), reason="there is no C compiler"
)


def some_slow(names, fast):
    slow = [
        pytest.param(name, marks=pytest.mark.slow) for name in names if name not in fast
    ]
    return [*fast, *slow]


@pytest.mark.parametrize("name", MODELS)
def test_files_of_every_model(name, models, tmp_path):
    pytest.importorskip("skops")
    model, rows = models[name]
    save(model, tmp_path / "model")
    report = check_export(model, tmp_path / "model", rows)
    assert report.equal
    assert report.kind == "file"
    assert report.labels_equal in (None, True)
    assert report.largest_ulp == 0


@pytest.mark.parametrize("name", some_slow(MODELS, FEW))
@needs_compiler
def test_sources_of_every_model(name, models, tmp_path):
    model, rows = models[name]
    try:
        to_c(model, tmp_path / "model.c")
    except TypeError:
        return  # tests of to_c say which models it takes
    report = check_export(model, tmp_path / "model.c", rows)
    assert report.equal
    assert report.kind == "C source"
    assert report.labels_equal in (None, True)


@pytest.mark.parametrize("name", some_slow(MODELS, FEW))
def test_graphs_of_every_model(name, models):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    model, rows = models[name]
    if issparse(rows):
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graph = to_onnx(model, rows[:1])
        except TypeError:
            return  # tests of to_onnx say which models it takes
    assert check_export(model, graph, rows).equal


def test_bytes_and_loaded_predictors_and_the_words_of_a_report(tmp_path):
    model = sk.RandomForestClassifier(5, random_state=0).fit(X, NAMES)
    path = tmp_path / "model.skprune"
    save(model, path)
    for artefact, kind in ((path.read_bytes(), "file"), (load(path), "predictor")):
        report = check_export(model, artefact, X)
        assert report.kind == kind
        lines = str(report).splitlines()
        assert lines[0] == f"{kind}: answers as the model does"
        assert lines[1] == (
            f"rows: {report.n_rows}, on both sides of {report.n_thresholds} thresholds"
        )
        assert lines[2:] == ["labels: equal", "scores: within 0 (0 ulp), allowed 0"]
    other = sk.RandomForestClassifier(5, random_state=1).fit(X, NAMES)
    report = check_export(other, path, on_fail="ignore")
    assert report.n_different > 0
    assert str(report).splitlines()[4:] == report.reasons
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="It does not run: "):
        check_export(model, path)


def test_witness_rows_in_a_file_are_replayed(tmp_path, monkeypatch):
    def other_labels(compact):
        found = witness_of(compact)
        found["labels"][1] = 2 - found["labels"][1]
        return found

    model = sk.RandomForestClassifier(5, random_state=0).fit(X, LABELS)
    monkeypatch.setattr("sklearn_prune.persistence._files.witness_of", other_labels)
    save(model, tmp_path / "model")
    report = check_export(model, tmp_path / "model", on_fail="ignore")
    assert report.n_different == 0
    assert "must give the labels of the saved one" in report.reasons[0]
    save(model, tmp_path / "model", witness=False)
    assert check_export(model, tmp_path / "model").equal


def test_transformers_in_files(tmp_path):
    pytest.importorskip("skops")  # for what has no form of this package
    for transformer in (sk.StandardScaler(), sk.PCA(2), sk.SimpleImputer()):
        save(transformer.fit(X), tmp_path / "model")
        report = check_export(transformer, tmp_path / "model", X)
        assert report.equal
        assert report.labels_equal is None
    other = sk.StandardScaler().fit(X + 1)
    save(other, tmp_path / "model")
    report = check_export(sk.StandardScaler().fit(X), tmp_path / "model", on_fail="ignore")
    assert not report.equal


@needs_compiler
class TestSources:
    """How C is compiled and run."""

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "model.c"

    def changed(self, path, old, new):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    def test_warnings_and_errors_of_the_compiler_are_reasons(self, path):
        model = sk.DecisionTreeClassifier(max_depth=2).fit(X, LABELS)
        to_c(model, path)
        self.changed(path, "#include <float.h>", "#include <float.h>\nstatic int unused;")
        report = check_export(model, path, on_fail="ignore")
        assert "The compiler warns: " in report.reasons[0]
        assert report.n_different == 0
        self.changed(path, "static int unused;", "static int unused = ;")
        report = check_export(model, path, on_fail="ignore")
        assert "It does not run: the compiler says: " in report.reasons[0]
        assert report.n_rows == 0

    def test_an_endless_program_is_stopped(self, path, monkeypatch):
        from sklearn_prune.persistence.export import program

        model = sk.DecisionTreeClassifier(max_depth=2).fit(X, LABELS)
        to_c(model, path)
        self.changed(
            path,
            "int model_predict(const model_input *x)\n{",
            ("int model_predict(const model_input *x)\n{\n    for (;;) {}"),
        )
        monkeypatch.setitem(program._RUN, "seconds", 1)
        report = check_export(model, path, on_fail="ignore")
        assert "It does not run: it " in report.reasons[-1]

    @pytest.mark.parametrize(
        ("line", "equal"),
        [
            ('if (getenv("SECRET")) return 1 << 20;', True),
            ('FILE *file = fopen("new", "w"); fputs("a", file); fflush(file);', False),
            ("if (!malloc((size_t)1 << 34)) return 1 << 20;", False),
        ],
        ids=["environment", "files", "memory"],
    )
    def test_a_program_is_limited(self, line, equal, path, monkeypatch):
        monkeypatch.setenv("SECRET", "1")
        model = sk.DecisionTreeClassifier(max_depth=2).fit(X, LABELS)
        to_c(model, path)
        head = "#include <float.h>"
        self.changed(path, head, f"{head}\n#include <stdlib.h>\n#include <stdio.h>")
        head = "int model_predict(const model_input *x)\n{"
        self.changed(path, head, f"{head}\n    {line}")
        report = check_export(model, path, on_fail="ignore")
        assert report.equal == equal
        assert equal or "It does not run: it " in report.reasons[-1]

    def test_a_failing_self_test_is_a_reason(self, path):
        model = sk.DecisionTreeClassifier(max_depth=2).fit(X, LABELS)
        to_c(model, path)
        text = path.read_text()
        start = text.index("test_label[")
        start = text.index("{", start) + 2
        other = "1" if text[start] == "0" else "0"
        path.write_text(text[:start] + other + text[start + 1 :])
        report = check_export(model, path, on_fail="ignore")
        assert report.reasons == ["Its self-test fails at row 1."]

    def test_compilers_by_name(self, path, monkeypatch):
        model = sk.DecisionTreeClassifier(max_depth=2).fit(X, LABELS)
        to_c(model, path)
        monkeypatch.setenv("CC", shutil.which("gcc") or shutil.which("cc"))
        assert check_export(model, path).equal
        for compiler in ("/no/compiler", "gcc -O3"):
            monkeypatch.setenv("CC", compiler)
            with pytest.raises(FileNotFoundError, match="needs a C compiler.*CC="):
                check_export(model, path)
        monkeypatch.delenv("CC")
        monkeypatch.setenv("PATH", os.fspath(path.parent))
        with pytest.raises(FileNotFoundError, match="neither gcc nor cc"):
            check_export(model, path)

    def test_a_header_is_needed(self, path):
        model = sk.DecisionTreeClassifier(max_depth=2).fit(X, LABELS)
        to_c(model, path)
        path.with_suffix(".h").unlink()
        with pytest.raises(ValueError, match=r"model\.h beside model\.c"):
            check_export(model, path)

    @pytest.mark.parametrize(
        "labels",
        [NAMES, BINARY, LABELS * 10**12, LABELS.astype(float)],
        ids=["texts", "bools", "large integers", "floats"],
    )
    def test_labels_of_each_type(self, labels, path):
        model = sk.LogisticRegression(max_iter=500).fit(X, labels)
        to_c(model, path)
        report = check_export(model, path, X)
        assert report.equal
        assert report.labels_equal

    @pytest.mark.parametrize("precision", ["double", "float"])
    def test_trees_behind_a_scaler(self, precision, path):
        steps = sk.StandardScaler(), sk.RandomForestClassifier(5, random_state=0)
        model = make_pipeline(*steps).fit(X, NAMES)
        try:
            to_c(model, path, precision=precision)
        except TypeError:
            pytest.skip("to_c does not write steps")
        report = check_export(model, path, X)
        assert report.equal
        assert report.n_thresholds > 10

    def test_several_outputs(self, path):
        for target in (
            np.column_stack([LABELS, BINARY]),
            np.column_stack([TARGET, X[:, 0]]),
        ):
            kind = "Classifier" if target.dtype.kind == "i" else "Regressor"
            model = getattr(sk, f"RandomForest{kind}")(3, random_state=0).fit(X, target)
            to_c(model, path)
            assert check_export(model, path, X).equal
