"""Predictions for each row by models that were fitted on other rows."""

from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from scipy.special import expit, softmax
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel, delayed

from sklearn_prune._docs import entries
from sklearn_prune._folds import explained_groups, given_folds, shuffled_folds, split_rows
from sklearn_prune._meta import (
    clone_seeded,
    in_one_line,
    innermost,
    is_frozen,
    last_step,
    routing_enabled,
    weight_params,
)
from sklearn_prune._seeds import derive_seed, is_torch_model, seeded_globals
from sklearn_prune._sklearn_compat import InvalidParameterError, count_rows
from sklearn_prune._validation import check_groups, check_predictions
from sklearn_prune.sample_selection._base import TASK_OPTIONS
from sklearn_prune.sample_selection._refitting import (
    REFITTING,
    REMEDY,
    RefittingSelector,
    as_target,
    asked_for_parts,
    fit_to_labels,
)

N_FOLDS = 5
OUT_OF_FOLD = REFITTING | entries("""
    estimator : estimator, default=None
        The model, which is cloned for each fold. A FrozenEstimator is used as it is, even
        if it has seen the rows. None takes the model that the rows are for in a
        meta-estimator, and a logistic or ridge regression on standardised columns
        otherwise; a missing value counts as the mean of its column there.
    cv : int, splitter or iterable, default=5
        The folds. An int (None is 5) makes shuffled folds, stratified by class, which
        never split a group where `groups` are given. There are fewer folds where rows do
        not suffice. Other splits must hold out each row at least once.
""")


class OutOfFoldSelector(RefittingSelector):
    """Base of selectors that judge each row by models of a cross-validation.

    A subclass calls :meth:`_out_of_fold` in its `_rank`. Models are fitted on the labels
    as the user wrote them. A FrozenEstimator is used as it is, whatever it has seen.
    """

    _parameter_constraints = {
        "estimator": "no_validation",
        "cv": ["cv_object"],
        "task": [TASK_OPTIONS],
        "n_jobs": [None, Integral],
        "random_state": ["random_state"],
    }

    def __init__(
        self, estimator=None, *, cv=5, task="auto", n_jobs=None, random_state=None
    ):
        self.estimator = estimator
        self.cv = cv
        self.task = task
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _check_model(self, model):
        if not is_frozen(model):
            super()._check_model(model)

    def _out_of_fold(self, X, y, context, *, role="folds"):
        """Predict each row by models that have not seen it; say which rows can be scored.

        Class probabilities in the order of `classes_`, or predictions. Rows that `cv` holds
        out more than once get the mean over the models that were fitted on their class; the
        mask is False where there is none. Another role has other folds and other seeds.
        """
        n, weights = len(y), context.sample_weight
        labels = self.classes_ if context.task == "classification" else None
        model = self._given_model()
        if model is None:
            model = default_model(X, context.task)
        self._check_kind(model, context.task)
        if isinstance(model, FrozenEstimator):
            known = np.ones(n, dtype=bool)
            if labels is not None:
                known = np.isin(labels, getattr(model, "classes_", labels))[y]
            return predict_rows(model, X, labels), known
        counted = np.ones(n, dtype=bool) if weights is None else weights > 0
        if labels is not None and np.ptp(y[counted]) == 0:
            only = y[counted][0]
            return one_hot(np.full(n, only), len(labels)), y == only
        self._units(n, context)  # refuses too few rows
        seed = derive_seed(self._seed(context), role)
        if self.cv is None or isinstance(self.cv, Integral):
            groups = context.groups
            groups = None if groups is None else check_groups(groups, n)
            folds = shuffled_folds(self.cv or N_FOLDS, y, groups, counted, seed)
        else:
            folds = given_folds(self.cv, y, context.groups, counted)
        target = y if labels is None else labels[y]
        predicted = Parallel(n_jobs=self.n_jobs)(
            delayed(fit_and_predict)(
                model, X, target, labels, weights, *fold, seed, context.groups
            )
            for fold in folds
        )
        totals = np.zeros(n if labels is None else (n, len(labels)))
        looks = np.zeros(n)
        for (train, test), values in zip(folds, predicted, strict=True):
            if labels is not None:
                seen = np.isin(y[test], y[train])
                test, values = test[seen], values[seen]
            totals[test] += values
            looks[test] += 1
        known, looks = looks > 0, np.maximum(looks, 1)
        return totals / (looks if labels is None else looks[:, None]), known


def default_model(X, task):
    """A linear model on standardised columns, where no other is given."""
    scaler = StandardScaler(with_mean=not issparse(X))
    linear = Ridge() if task == "regression" else LogisticRegression(max_iter=1000)
    if routing_enabled():
        scaler.set_fit_request(sample_weight=False)
        linear.set_fit_request(sample_weight=True)
    return make_pipeline(SimpleImputer(keep_empty_features=True), scaler, linear)


def fit_and_predict(model, X, y, labels, weights, train, test, seed, groups=None):
    """Predict the test rows by a clone that is fitted on the training rows."""
    target = y[train]
    if labels is not None and np.all(target == target[0]):
        only = np.searchsorted(labels, target[0])
        return one_hot(np.full(len(test), only), len(labels))
    if labels is not None and target.dtype.kind == "f" and is_torch_model(model):
        target = target.astype(np.int64)
    model = clone_seeded(model, seed, "estimator")
    X_train, X_test = split_rows(model, X, train, test)
    of_train = (None if values is None else values[train] for values in (weights, groups))
    params = weight_params(model, *of_train)
    explained = explained_groups(model, params)
    with seeded_globals(model, seed), explained, asked_for_parts(model, len(train)):
        known = None
        if labels is None:
            model.fit(X_train, as_target(model, target), **params)
        else:
            known = fit_to_labels(model, X_train, target, len(labels), **params)
        return predict_rows(model, X_test, labels, known)


def predict_rows(model, X, labels, known=None):
    """Class probabilities, or predictions where `labels` is None.

    A model without probabilities is read by its decision function, put through a logistic
    function for two classes and a softmax for more; one without either gives 1 to the class
    that it predicts. `labels` are the classes of the columns; one that the model does not
    know gets 0. `known` are the labels of a model that was fitted on their codes.
    """
    name = type(innermost(model)).__name__
    if labels is None:
        predicted = check_predictions(
            *(model.predict(X), np.empty(count_rows(X)), name),
            classifies=False,
            remedy=REMEDY,
        )
        return predicted.astype(np.float64)
    if known is None:
        known, predict = np.asarray(getattr(model, "classes_", labels)), model.predict
    else:
        named = known

        def predict(X):
            return named[np.asarray(model.predict(X), dtype=np.intp)]

    ovo = getattr(last_step(model), "decision_function_shape", None) == "ovo"
    if hasattr(model, "predict_proba"):
        values = np.asarray(model.predict_proba(X), dtype=np.float64)
    elif hasattr(model, "decision_function") and not (ovo and len(known) > 2):
        values = np.asarray(model.decision_function(X), dtype=np.float64)
        if values.ndim == 1 or values.shape[1] == 1:
            first = expit(-values.ravel())
            values = np.column_stack([first, 1 - first])
        else:
            values = softmax(values, axis=1)
    else:
        values = (np.ravel(predict(X))[:, None] == known).astype(np.float64)
    if values.ndim != 2:
        raise InvalidParameterError(
            f"{name} must give a probability for each class. Got an array of shape "
            f"{values.shape} for {len(known)} classes, as under an objective of its own. "
            f"{REMEDY}"
        )
    if values.shape[1] != len(known):  # a net has a column for each code there may be
        return values[:, labels.astype(np.intp)]
    shared, ours, theirs = np.intersect1d(labels, known, return_indices=True)
    if not len(shared):
        raise ValueError(
            f"The model must know some of the classes in y. Got {in_one_line(model)}, "
            f"which knows {known.tolist()}, and y with {labels.tolist()}. Fit it on "
            "labels of the same kind."
        )
    aligned = np.zeros((len(values), len(labels)))
    aligned[:, ours] = values[:, theirs]
    return aligned


def one_hot(codes, n_classes):
    """1 in the column of each row's class, 0 elsewhere."""
    return (codes[:, None] == np.arange(n_classes)).astype(np.float64)
