"""Faults in labels and in the structure of rows: rare classes, equal rows, ties."""

from dataclasses import replace

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict

from sklearn_prune import SampleSubsetSampler, compare_pruning
from sklearn_prune._sklearn_compat import take_rows
from sklearn_prune.weight_pruning.criteria import MagnitudeCriterion
from tests.faults import subjects
from tests.faults.inner import assert_as_inner, assert_sound, fitted_inner

NO_CLASSES = subjects.does_not_apply("it takes no classes")
CLASS_WORDS = ("class", "classes", "y")
#: Selectors whose models draw features, or weights of them, at random.
DRAW_FEATURES = {"AutoSelector", "DataOOBSelector", "ForgettingSelector", "OutlierSelector"}
ROWS = ("subset", "transformer", "sampler")


def takes_classes(subject):
    return "classification" in subject.tasks


def rare(n=40):
    """Labels of which two are rare: 2 and 1 of n rows."""
    y = np.zeros(n, dtype=int)
    y[[5, 21]], y[30] = 1, 2
    return y


def named(results, labels):
    """Results in which predictions are labels instead of their codes."""
    if "predictions" not in results:
        return results
    return results | {"predictions": labels[results["predictions"].astype(int)]}


def chosen(subject, X, y, **params):
    """A fitted subject that has kept rows: a selector inside a sampler."""
    if subject.kind != "selector":
        return subject.fit(X, y, estimator=subject.make(**params))
    sampler = SampleSubsetSampler(clone(subject.estimator), random_state=0, **params)
    sampler.fit_resample(X, y)
    return sampler


def assert_knows_classes(subject, fitted, X, y):
    """Assert that each class has its column and is all that is predicted."""
    labels, results = np.unique(y), subject.results(fitted, X)
    if "predictions" not in results:
        return
    np.testing.assert_array_equal(fitted.classes_, labels)
    assert np.isin(results["predictions"], labels).all()
    if "predict_proba" in results:
        assert results["predict_proba"].shape == (len(X), len(labels))
        np.testing.assert_allclose(results["predict_proba"].sum(axis=1), 1.0, rtol=1e-6)
    if "decision_function" in results and len(labels) > 2:
        assert results["decision_function"].shape[0] == len(X)
        assert np.isfinite(results["decision_function"]).all()


def assert_finite(subject, fitted, X):
    """Assert a permutation or sorted kept units, and only finite numbers."""
    n = len(X)
    if subject.kind != "pruned":  # a tree of one leaf has no units
        assert_sound(subject, fitted, n)
    for name, values in subject.results(fitted, X).items():
        if values.dtype.kind == "f":
            assert np.isfinite(values).all(), name


@subjects.fault(30, "labels that are strings")
def string_labels(subject):
    X, y = subject.rows("classification")
    labels = np.array(["b", "ccc", "dd"])
    if not takes_classes(subject):
        return subjects.assert_refuses_fit(
            subject, X, labels[y], ("y",), words=("classif",)
        )
    wanted = named(subject.run(X, y), labels)
    subjects.assert_same_results(subject.run(X, labels[y].astype(object)), wanted)
    subjects.assert_same_results(subject.run(X, labels[y].tolist()), wanted)
    return subjects.assert_same_results(subject.run(X, labels[y]), wanted)


@subjects.fault(31, "labels that are bools")
def bool_labels(subject):
    X, y = subject.rows("classification")
    truth = y > 0
    found = subject.run(X, truth)
    if not takes_classes(subject):
        return subjects.assert_same_results(found, subject.run(X, truth.astype(float)))
    if "predictions" in found:
        assert found["predictions"].dtype == bool
    wanted = named(subject.run(X, truth.astype(int)), np.array([False, True]))
    return subjects.assert_same_results(found, wanted)


@subjects.fault(32, "a single class, or a target that does not vary")
def one_class(subject):
    X, _ = subject.rows()
    cells = {}
    for task in subject.tasks:
        y = np.full(len(X), "a") if task == "classification" else np.full(len(X), 1.5)

        def right(fitted, y=y, task=task):
            assert_finite(subject, fitted, X)
            predictions = subject.results(fitted, X).get("predictions")
            if predictions is not None and task == "classification":
                assert (predictions == "a").all()
            elif subject.kind != "pruned":
                assert_as_inner(subject, fitted, X, y)

        cells[f"{task} y"] = subjects.answer(subject, X, y, right, CLASS_WORDS)
    return subjects.mixed(cells)


@subjects.fault(33, "a class that would vanish under keep")
def vanishing_class(subject):
    if not takes_classes(subject):
        return NO_CLASSES
    X, y = subject.rows("classification")[0], rare()
    for keep in (0.05, 2):
        params = {"keep": keep}
        if keep == 2 and subject.kind in ("pruned", "comparison"):
            params = {"keep": 0.02}  # an int counts units of one kind
        fitted = chosen(subject, X, y, **params)
        if subject.kind in (*ROWS, "selector"):
            np.testing.assert_array_equal(np.sort(y[fitted.sample_indices_]), [0, 1, 2])
        if subject.kind != "selector":
            assert_knows_classes(subject, fitted, X, y)
            if subject.kind in ("subset", "transformer"):
                assert_as_kept_rows(subject, fitted, X, y)
    return subjects.RIGHT


def assert_as_kept_rows(subject, fitted, X, y):
    """Assert what the inner model gives that is fitted to the kept rows alone."""
    kept = fitted.sample_indices_
    model = fitted_inner(subject, take_rows(X, kept), y[kept])
    for method in ("predict", "predict_proba", "transform"):
        if hasattr(model, method):
            wanted = np.asarray(getattr(model, method)(X))
            np.testing.assert_array_equal(getattr(fitted, method)(X), wanted)


@subjects.fault(34, "a class of one row")
def class_of_one(subject):
    if not takes_classes(subject):
        return NO_CLASSES
    X, y = subject.rows("classification")
    y = np.where(y == 2, 0, y)
    y[7] = 2
    fitted = subject.fit(X, y)
    assert_finite(subject, fitted, X)
    assert_knows_classes(subject, fitted, X, y)
    if subject.kind in ROWS:
        assert 7 in fitted.sample_indices_
    if subject.kind == "pruned":  # its inner folds are stratified
        fitted = subject.fit(X, y, estimator=subject.make(keep="auto"))
        assert_knows_classes(subject, fitted, X, y)
        blind = subject.make(keep="auto", scoring="neg_log_loss")
        subjects.assert_refuses_fit(subject, X, y, ("scoring",), estimator=blind)
    return subjects.RIGHT


@subjects.fault(35, "a test fold with a class that was not trained on")
def unseen_class(subject):
    if not takes_classes(subject):
        return NO_CLASSES
    X, y = subject.rows("classification")
    rows, others = np.flatnonzero(y == 2), np.flatnonzero(y != 2)
    folds = [
        (others[::2], np.concatenate([others[1::2], rows])),
        (np.concatenate([others[1::2], rows]), others[::2]),
    ]
    if subject.kind == "comparison":
        return compared_with_unseen_class(subject, X, y, folds)
    if subject.kind == "selector":
        return ranked_with_unseen_class(subject, X, y, folds)
    if not subject.predicts or subject.kind == "transformer":
        return subjects.does_not_apply("it predicts no classes")
    method = "predict_proba" if hasattr(subject.make(), "predict_proba") else "predict"
    found = cross_val_predict(subject.make(), X, y, cv=folds, method=method)
    if method == "predict":
        assert not (found[folds[0][1]] == 2).any()
        return subjects.RIGHT
    assert found.shape == (len(X), 3)
    assert (found[folds[0][1], 2] == 0).all()
    wanted = subject.fit(X[folds[1][0]], y[folds[1][0]]).predict_proba(X[folds[1][1]])
    np.testing.assert_array_equal(found[folds[1][1]], wanted)
    return subjects.RIGHT


def compared_with_unseen_class(subject, X, y, folds):
    def compare(scoring, cv):
        return compare_pruning(
            subject.estimator.variants,
            X,
            y,
            baseline="all",
            cv=cv,
            scoring=scoring,
            margin=0.1,
            costs=(),
            controls=(),
        )

    # As many classes on both sides, and not the same ones.
    first, second, third = (np.flatnonzero(y == label) for label in range(3))
    swapped = [(np.concatenate([first[::2], second]), np.concatenate([first[1::2], third]))]
    swapped.append(swapped[0][::-1])
    for cv in (folds, swapped):
        for scoring in ("neg_log_loss", "roc_auc_ovr", ["accuracy", "neg_brier_score"]):
            cell = subjects.assert_refused(
                lambda scoring=scoring, cv=cv: compare(scoring, cv), ("scoring",)
            )
    found = compare("accuracy", folds)
    assert not found.failures
    wanted = clone(subject.estimator.variants["all"]).fit(X[folds[0][0]], y[folds[0][0]])
    right = np.mean(wanted.predict(X[folds[0][1]]) == y[folds[0][1]])
    np.testing.assert_allclose(found._scores("all", "accuracy")[0], right)
    return subjects.mixed({"probabilities": cell, "labels": subjects.RIGHT})


def ranked_with_unseen_class(subject, X, y, folds):
    if "cv" not in subject.estimator.get_params(deep=False):
        return subjects.does_not_apply("it takes no folds")
    fitted = subject.fit(X, y, estimator=subject.make(cv=folds))
    assert_finite(subject, fitted, X)
    # No model has given any weight to the class of these rows: none is better than those.
    other = fitted.scores_[(y != 2)].max()
    assert fitted.scores_[y == 2].max() <= other
    return subjects.RIGHT


@subjects.fault(36, "class weights, and a class that keep would drop")
def weighted_class(subject):
    if not takes_classes(subject):
        return NO_CLASSES
    params = subject.estimator.get_params()
    names = [name for name in params if name.endswith("class_weight")]
    if not names:
        return subjects.does_not_apply("it has no class weights")
    X, y = subject.rows("classification")[0], rare()
    for weights in ({0: 1.0, 1: 3.0, 2: 0.5}, "balanced"):
        weighted = replace(subject, estimator=subject.make(**{names[0]: weights}))
        fitted = weighted.fit(X, y, estimator=weighted.make(keep=0.05))
        assert_knows_classes(weighted, fitted, X, y)
        if subject.kind == "pruned":
            assert_as_inner(weighted, weighted.fit(X, y), X, y)
        else:
            assert_as_kept_rows(weighted, fitted, X, y)
    return subjects.RIGHT


@subjects.fault(37, "rows that are all the same")
def equal_rows(subject):
    X = np.full((40, 4), 2.5)

    def check(y):
        return subjects.answer(
            subject, X, y, lambda fitted: assert_finite(subject, fitted, X)
        )

    return subjects.mixed({task: check(subject.rows(task)[1]) for task in subject.tasks})


@subjects.fault(38, "features that do not vary")
def constant_features(subject):
    cells = {}
    for task in subject.tasks:
        X, y = subject.rows(task)
        X[:, 1], X[:, 3] = 0.0, 7.0

        def right(fitted, X=X, y=y):
            assert_finite(subject, fitted, X)
            if subject.kind != "selector":
                assert_as_inner(subject, fitted, X, y)
            elif type(fitted).__name__ not in DRAW_FEATURES:
                others = subject.results(subject.fit(X[:, [0, 2]], y))
                np.testing.assert_array_equal(fitted.order_, others["order_"])

        cells[task] = subjects.answer(subject, X, y, right)
    return subjects.mixed(cells)


@subjects.fault(39, "scores that all tie")
def all_scores_tie(subject):
    """First positions are kept, where no draw or fold decides; the same ones each time."""
    if subject.kind == "comparison":
        return subjects.does_not_apply("it ranks nothing itself")
    if subject.kind == "pruned":
        return units_that_tie(subject)
    cells, X = {}, np.full((40, 4), 2.5)
    for task in subject.tasks:
        y = np.arange(40) // 20 if task == "classification" else np.full(40, 1.5)
        first, second = subject.fit(X, y), subject.fit(X, y)
        if subject.kind == "selector":
            np.testing.assert_array_equal(first.order_, second.order_)
            if not first.order_dependent:
                by_class = first.order_[np.argsort(y[first.order_], kind="stable")]
                np.testing.assert_array_equal(by_class, np.arange(40), task)
        else:
            kept = first.sample_indices_
            np.testing.assert_array_equal(kept, second.sample_indices_)
            if getattr(subject.estimator, "selector", None) is not None:
                wanted = np.concatenate([np.arange(10), np.arange(20, 30)])
                wanted = wanted if task == "classification" else np.arange(20)
                np.testing.assert_array_equal(kept, wanted)
        cells[task] = subjects.RIGHT
    return subjects.mixed(cells)


def units_that_tie(subject):
    X, y = subject.rows()
    X = np.repeat(X[:, :1], 4, axis=1)
    params = {"unit": "feature", "keep": 2}
    if type(subject.estimator.estimator).__name__ in ("LogisticRegression", "Ridge"):
        params["criterion"] = MagnitudeCriterion()
    first, second = (subject.fit(X, y, estimator=subject.make(**params)) for _ in "12")
    np.testing.assert_array_equal(first.kept_, second.kept_)
    if "criterion" in params:
        np.testing.assert_array_equal(first.kept_, [0, 1])
    return subjects.RIGHT
