"""Faults in what comes beside the rows: weights, groups, and `keep`."""

import numpy as np
from sklearn import config_context
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

from tests.faults.inner import assert_sound
from tests.faults.subjects import (
    REFUSED,
    RIGHT,
    answer,
    assert_refuses_fit,
    assert_same_results,
    does_not_apply,
    fault,
    mixed,
)

ROWS = ("subset", "transformer", "sampler")
N = 40


class Recorder:
    """A model that remembers the groups that came with its rows."""

    def fit(self, X, y=None, sample_weight=None, groups=None):
        self.rows_, self.groups_, self.weights_ = len(X), groups, sample_weight
        return super().fit(X, y)


class RecordingClassifier(Recorder, LogisticRegression):
    pass


class RecordingRegressor(Recorder, LinearRegression):
    pass


class RecordingTransformer(Recorder, StandardScaler):
    pass


def recording(subject):
    """The subject around a model that remembers groups."""
    if subject.kind == "transformer":
        return subject.make(transformer=RecordingTransformer())
    model = RecordingClassifier() if subject.classifies else RecordingRegressor()
    return subject.make(estimator=model)


def bad_weights():
    weights = np.ones(N)
    strings = np.full(N, "heavy")
    return {
        "negative": np.where(np.arange(N) == 7, -1.0, weights),
        "NaN": np.where(np.arange(N) == 7, np.nan, weights),
        "infinite": np.where(np.arange(N) == 7, np.inf, weights),
        "all zero": 0 * weights,
        "too few": weights[:-1],
        "too many": np.ones(N + 1),
        "two columns": np.ones((N, 2)),
        "one number": 2.0,
        "strings": strings,
    }


#: Forests draw rows by their weights, so that weights of 1 are not as none.
DRAW_BY_WEIGHT = ("Forest", "AutoSelector")


@fault(40, "sample weights that are negative, NaN, all zero or too few; some that are zero")
def wrong_weights(subject):
    X, y = subject.rows()
    name = weight_name(subject)
    for weights in bad_weights().values():
        assert_refuses_fit(subject, X, y, ("sample_weight",), **{name: weights})
    weights = np.where(np.arange(N) % 3 == 0, 0.0, 1.0 + np.arange(N) % 2)

    def right(fitted):
        assert_sound(subject, fitted, N)
        results = subject.results(fitted, X)
        for values in results.values():
            assert values.dtype.kind != "f" or np.isfinite(values).all()
        if not any(word in subject.name for word in DRAW_BY_WEIGHT):
            ones = subject.run(X, y, **{name: np.ones(N)})
            assert_same_results(ones, subject.run(X, y), rtol=1e-7, atol=1e-9)

    cell = answer(subject, X, y, right, (name, "sample_weight"), **{name: weights})
    return mixed({"bad": REFUSED, "some zeros": cell})


def weight_name(subject):
    """What fit calls the weights: a Pipeline wants the name of its step."""
    inner = getattr(subject.estimator, "estimator", None)
    steps = getattr(inner, "steps", None)
    return f"{steps[-1][0]}__sample_weight" if steps else "sample_weight"


@fault(41, "groups of the wrong length or missing; routed, and pruned like the rows")
def wrong_groups(subject):
    X, y = subject.rows()
    groups = np.arange(N) // 4
    missing = np.where(groups == 3, np.nan, groups)
    labels = np.array([f"group {group:02}" for group in groups], dtype=object)
    none = np.where(groups == 3, None, labels)
    for bad in (groups[:-1], np.tile(groups, 2), missing, none, np.zeros((N, 2))):
        assert_refuses_fit(subject, X, y, ("groups",), groups=bad)
    wanted = subject.run(X, y, groups=groups)
    assert_same_results(subject.run(X, y, groups=labels), wanted)
    for routing in (False, True):
        with config_context(enable_metadata_routing=routing):
            if routing:
                assert_refuses_fit(subject, X, y, ("groups",), groups=missing)
                assert_same_results(subject.run(X, y, groups=groups), wanted)
            if subject.kind in ROWS:
                assert_whole_groups(subject, X, y, groups)
            if subject.predicts:
                assert_groups_follow_rows(subject, X, y, groups, routing)
    return mixed({"bad": REFUSED, "good": RIGHT})


def assert_whole_groups(subject, X, y, groups):
    fitted = subject.fit(X, y, estimator=subject.make(by_group=True), groups=groups)
    kept = fitted.sample_mask_.reshape(-1, 4)
    assert (kept.all(axis=1) | ~kept.any(axis=1)).all()
    assert 0 < kept.sum() < N


def assert_groups_follow_rows(subject, X, y, groups, routing):
    """The inner model gets the groups of the rows that it is given."""
    model = recording(subject)
    inner = model.transformer if subject.kind == "transformer" else model.estimator
    if routing:
        inner.set_fit_request(groups=True, sample_weight=True)
        if getattr(model, "selector", None) is not None:
            model.selector.set_fit_request(sample_weight=True)
    params = {"groups": groups, "sample_weight": 1.0 + groups}
    subject.fit(X, y, estimator=model.set_params(keep=1.0), **params)
    if subject.kind == "pruned":
        return
    fitted = subject.fit(X, y, estimator=model.set_params(keep=0.5), **params)
    inner = fitted.transformer_ if subject.kind == "transformer" else fitted.estimator_
    kept = fitted.sample_indices_
    assert inner.rows_ == len(kept) < N
    np.testing.assert_array_equal(inner.groups_, groups[kept])
    np.testing.assert_array_equal(inner.weights_, 1.0 + groups[kept])


BAD_KEEPS = [
    0,
    -1,
    1,
    0.0,
    -0.5,
    1.5,
    True,
    False,
    None,
    "half",
    "",
    np.nan,
    np.inf,
    -np.inf,
    np.int64(1),
    np.int64(0),
    np.float64(1.0001),
    np.bool_(True),
    1 + 0j,
    [0.5],
    np.array([0.5, 0.5]),
]


@fault(42, "keep that is 0, negative, 1, above n, NaN, or no number at all")
def wrong_keep(subject):
    if "keep" not in subject.estimator.get_params(deep=False):
        return does_not_apply("it has no keep")
    X, y = subject.rows()
    for keep in BAD_KEEPS:
        assert_refuses_fit(subject, X, y, ("keep",), estimator=subject.make(keep=keep))
    unit = {"unit": "feature"} if subject.kind == "pruned" else {}
    too_many = subject.make(keep=10**6, **unit)
    if subject.kind == "comparison":  # a variant that fails is reported
        found = subject.fit(X, y, estimator=too_many).comparison_.failures
        assert found.keys() == {"rows", "parameters"}
        assert all("keep" in reason for reason in found.values()), found
    else:
        assert_refuses_fit(subject, X, y, ("keep",), estimator=too_many)
    half = subject.run(X, y, estimator=subject.make(keep=0.5))
    for keep in (np.float64(0.5), np.float32(0.5)):
        assert_same_results(subject.run(X, y, estimator=subject.make(keep=keep)), half)
    if subject.kind == "pruned":
        number = subject.make(keep=2, unit="auto")
        assert_refuses_fit(subject, X, y, ("keep",), estimator=number)
    if subject.kind in ROWS:
        assert_counts_rows(subject, X, y)
    return mixed({"bad": REFUSED, "numpy's numbers": RIGHT})


def assert_counts_rows(subject, X, y):
    def n_kept(keep):
        return len(subject.fit(X, y, estimator=subject.make(keep=keep)).sample_indices_)

    for keep, n in {20: 20, np.int32(20): 20, N: N, 1.0: N, np.float64(1.0): N}.items():
        assert n_kept(keep) == n, keep
    assert n_kept(1e-9) == (3 if subject.classifies else 1)
