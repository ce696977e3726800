"""What a subject must give, from its inner model alone."""

import numpy as np

from sklearn_prune._meta import clone_seeded
from sklearn_prune._seeds import draw_seed
from sklearn_prune._sklearn_compat import take_rows

METHODS = ("predict", "predict_proba", "decision_function", "transform")


def fitted_inner(subject, X, y):
    """The inner model of a subject, seeded as there, fitted to these rows."""
    role = "transformer" if subject.kind == "transformer" else "estimator"
    model = getattr(subject.estimator, role)
    return clone_seeded(model, draw_seed(subject.estimator.random_state), role).fit(X, y)


def answers(model, X):
    """What a model says of rows, by method."""
    found = {}
    for method in METHODS:
        if hasattr(model, method):
            rows = getattr(model, method)(X)
            found[method] = np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)
    return found


def assert_sound(subject, fitted, n):
    """Assert what holds of every result: an order of all rows, some of n rows kept."""
    results = subject.results(fitted)
    if subject.kind == "selector":
        np.testing.assert_array_equal(np.sort(results["order_"]), np.arange(n))
        assert np.isfinite(results.get("scores_", 0.0)).all()
        assert 0 <= results.get("natural_size_", 0) <= n
        return
    if subject.kind == "comparison":
        assert np.isfinite(results["scores"]).all()
        return
    kept = results["kept"]
    assert len(kept) or not fitted.n_units_  # a tree without a split has none
    np.testing.assert_array_equal(kept, np.unique(kept))
    if subject.kind != "pruned":
        assert kept[0] >= 0
        assert kept[-1] < n
        n_kept = max(1, int(np.floor(n / 2 + 0.5)))
        assert len(kept) >= n_kept


def assert_as_inner(subject, fitted, X, y, X_new=None, *, rtol=1e-7, atol=1e-9):
    """Assert that a fitted subject is sound, and predicts as its inner model alone.

    Rows: as the inner model fitted to the kept ones. Parameters: with all kept, as the
    inner model.
    """
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    assert_sound(subject, fitted, n)
    if not subject.predicts:
        return
    X_new = X if X_new is None else X_new
    if subject.kind == "pruned":
        model = fitted_inner(subject, X, y)
        whole = subject.fit(X, y, estimator=subject.make(keep=1.0))
        assert answers(fitted, X_new).keys() == answers(model, X_new).keys()
    else:
        kept, whole = fitted.sample_indices_, fitted
        model = fitted_inner(subject, take_rows(X, kept), take_rows(y, kept))
    wanted = answers(model, X_new)
    for method, found in answers(whole, X_new).items():
        if found.dtype.kind == "f":
            np.testing.assert_allclose(
                found, wanted[method], rtol=rtol, atol=atol, err_msg=method
            )
        else:
            np.testing.assert_array_equal(found, wanted[method], err_msg=method)
