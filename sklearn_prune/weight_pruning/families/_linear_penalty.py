"""Train linear models under an L1 or L2 penalty, to see which coefficients last."""

import warnings

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge, lasso_path
from sklearn.preprocessing import StandardScaler
from sklearn.svm import l1_min_c

N_STRENGTHS = 12


def _standardised(context):
    """Rows with columns of unit spread, and weights of the rows."""
    X = context.array.astype(np.float64)
    X = StandardScaler(with_mean=not issparse(X)).fit_transform(X)
    return X, context.row_weights()


def _targets(work, context):
    """One column for each output: -1 and 1 for classes."""
    y = context.target
    if not is_classifier(work.model):
        return y.reshape(len(y), -1).astype(np.float64)
    if y.ndim == 2:
        return 2.0 * y - 1
    classes = work.model.classes_
    if len(work.mask) == 1:
        return np.where(y == classes[-1], 1.0, -1.0)[:, None]
    return np.where(y[:, None] == classes, 1.0, -1.0)


def path_strengths(work, unit, context):
    """How strong an L1 penalty each unit withstands, against the strongest that any does.

    Each output is trained apart, on columns of unit spread: by the logistic loss for
    classes, by squared loss otherwise. Equal strengths are told apart by the size of the
    coefficient under the weakest penalty.
    """
    X, weights = _standardised(context)
    targets = _targets(work, context)
    strengths = np.zeros(work.mask.shape)
    for output, mask in enumerate(work.mask):
        columns = np.flatnonzero(mask)
        if not len(columns):
            continue
        part = X[:, columns] if not issparse(X) else X.tocsc()[:, columns]
        trace = _logistic_trace if is_classifier(work.model) else _lasso_trace
        strengths[output, columns] = trace(part, targets[:, output], weights)
    return strengths.max(axis=0) if unit == "feature" else strengths[work.mask]


def _entry(coefficients, penalties):
    """From coefficients by falling penalty to the strength at which each is first there."""
    alive = coefficients != 0
    first = np.where(alive.any(axis=0), penalties[alive.argmax(axis=0)], 0.0)
    last = np.abs(coefficients[-1])
    return first + last / (1 + last.max()) * penalties[-1] * 0.5


def _lasso_trace(X, y, weights):
    if weights is not None:
        root = np.sqrt(weights / weights.mean())
        X = X.multiply(root[:, None]).tocsc() if issparse(X) else X * root[:, None]
        y = y * root
    y = y - y.mean()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        penalties, coefficients, _ = lasso_path(
            np.asfortranarray(X) if not issparse(X) else X,
            y,
            alphas=4 * N_STRENGTHS,
            eps=1e-4,
        )
    scale = penalties[0] if penalties[0] > 0 else 1.0
    return _entry(coefficients.T, penalties / scale)


def _logistic_trace(X, y, weights):
    if len(np.unique(y)) < 2:
        return np.zeros(X.shape[1])
    lowest = l1_min_c(X, y, loss="log")
    found, penalties = [], []
    for C in lowest * np.geomspace(1.05, 300, N_STRENGTHS):
        model = LogisticRegression(
            l1_ratio=1.0, C=C, solver="liblinear", tol=1e-3, random_state=0, max_iter=200
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y, sample_weight=weights)
        found.append(model.coef_[0])
        penalties.append(lowest / C)
    return _entry(np.array(found), np.array(penalties))


def shrunken(work, context):
    """Coefficients for the columns as they are, under ten times the usual L2 penalty."""
    X, weights = _standardised(context)
    targets = _targets(work, context)
    coefficients = np.zeros(work.mask.shape)
    spread = np.maximum(np.asarray(_spread(context.array)), 1e-300)
    for output, mask in enumerate(work.mask):
        columns = np.flatnonzero(mask)
        if not len(columns):
            continue
        part = X[:, columns] if not issparse(X) else X.tocsc()[:, columns]
        y = targets[:, output]
        if is_classifier(work.model) and len(np.unique(y)) > 1:
            model = LogisticRegression(C=0.1, max_iter=500)
        else:
            model = Ridge(alpha=10.0)
        model.fit(part, y, sample_weight=weights)
        coefficients[output, columns] = np.ravel(model.coef_) / spread[columns]
    return coefficients


def _spread(X):
    from sklearn_prune.weight_pruning.families._feature import spreads

    return spreads(X)
