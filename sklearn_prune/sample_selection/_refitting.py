"""What selectors share that fit a model anew on parts of the rows."""

import warnings
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
from sklearn.base import is_classifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import get_tags, indexable
from sklearn.utils.validation import validate_data

from sklearn_prune._docs import entries
from sklearn_prune._folds import explained_groups, split_rows
from sklearn_prune._meta import (
    clone_seeded,
    first_line,
    has_tags,
    in_one_line,
    innermost,
    is_frozen,
    last_step,
    says_what_it_cannot,
    weight_params,
)
from sklearn_prune._seeds import is_torch_model, seeded_globals
from sklearn_prune._validation import (
    check_groups,
    check_predictions,
    check_readable_rows,
    class_codes,
    is_ranker,
)
from sklearn_prune.sample_selection._base import SELECTOR, RankingContext, SampleSelector

REMEDY = "Give the selector another estimator, or use RandomSelector()."
OTHER_KIND = {"classification": "regressor", "regression": "classifier"}
REFITTING = SELECTOR | entries("""
    n_jobs : int or None, default=None
        Number of folds or samples to work on at once.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds or samples, and each `random_state` in the model that is None.
        None takes the seed of the meta-estimator, if any.
    classes_ : ndarray of shape (n_classes,)
        The classes in y, for classification.
""")


class RefittingSelector(SampleSelector):
    """Base of selectors that fit a model anew on parts of the rows.

    The model is the selector's own `estimator`, else the one that the kept rows are for.
    Where there is neither, or that one does not predict, a subclass has a default.
    The model is given rows and labels as they came.
    """

    requires_y = True
    allow_nan = True
    reads_estimator = True
    order_dependent = True

    def _given_model(self):
        """The selector's model, else the wrapped one; None where the default is used."""
        if self.estimator is not None:
            return self.estimator
        wrapped = self.__dict__.get("_context", RankingContext()).estimator
        return wrapped if hasattr(wrapped, "predict") else None

    def _check_rows(self, X):
        model = self._given_model()
        if model is None:
            return super()._check_rows(X)
        self._check_model(model)
        validate_data(self, X, skip_check_array=True)
        (X,) = indexable(X)
        check_readable_rows(X, model)
        return X

    def _resolve_task(self, imposed, y):
        task = super()._resolve_task(imposed, y)
        self.__dict__.pop("classes_", None)
        if task == "classification":
            self.classes_ = class_codes(y)[1]
        return task

    def _check_model(self, model):
        name, unfitted = type(self).__name__, DecisionTreeClassifier()
        if not has_tags(model) or not hasattr(model, "predict"):
            raise TypeError(
                f"{name} needs an estimator that predicts. Got {in_one_line(model)} of "
                f"type {type(model).__name__}. Write {name}({unfitted})."
            )
        if is_ranker(model):
            raise ValueError(
                f"{name} needs an estimator that predicts the targets of single rows. Got "
                f"{type(innermost(model)).__name__}, whose scores order the rows of a "
                f"query. Write {name}(estimator) with a classifier or a regressor."
            )
        if is_frozen(model):
            raise ValueError(
                f"{name} fits the model anew on parts of the rows, which a FrozenEstimator "
                f"does not allow. Got {in_one_line(model)}. Give the selector an unfitted "
                f"model: {name}({unfitted})."
            )

    def _check_kind(self, model, task):
        if get_tags(model).estimator_type == OTHER_KIND[task]:
            raise ValueError(
                f"{type(self).__name__} needs a model for {task}, which is what y asks "
                f"for. Got {in_one_line(model)}. Pass another estimator, or set task."
            )

    def _units(self, n, context):
        """Codes of the units that stay together, and which of them train models."""
        counted = np.ones(n, dtype=bool)
        if context.sample_weight is not None:
            counted = context.sample_weight > 0
        units, what = np.arange(n), "rows"
        if context.groups is not None:
            units, what = check_groups(context.groups, n), "groups"
            counted = np.bincount(units, counted) > 0
        if np.count_nonzero(counted) < 2:
            raise ValueError(
                f"{type(self).__name__} judges each row by a model that was fitted on "
                f"others and needs at least 2 {what} of positive weight. Got "
                f"{np.count_nonzero(counted)}, n_samples = {n}. Use RandomSelector()."
            )
        return units, counted

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if has_tags(self.estimator):
            tags.input_tags = deepcopy(get_tags(self.estimator).input_tags)
        return tags


def class_is_elsewhere(y, units, counted):
    """Whether a row that counts, in another unit than the row, has the class of the row."""
    pairs = np.unique(np.column_stack([y, units])[counted], axis=0)
    n_units = np.bincount(pairs[:, 0], minlength=y.max() + 1)
    width = units.max() + 1
    own = np.isin(y * width + units, pairs[:, 0] * width + pairs[:, 1])
    return n_units[y] > own


def neutral_scores(scores, known, y, context, owner):
    """Scores in which rows whose class no model knew have the median of the others.

    `known` says of which rows some model was fitted on the class. A warning names the
    classes of the others.
    """
    if known.all():
        return scores
    weights = context.sample_weight
    counted = np.ones(len(y), dtype=bool) if weights is None else weights > 0
    others = known & counted if (known & counted).any() else known
    codes, remedy = np.unique(y[~known]), "Write cv=5, or use finer groups."
    named = []
    for code in codes[:5]:
        rows = y == code
        label = context.labels[code : code + 1].tolist()[0]
        n_lost = np.count_nonzero(rows & ~known)
        text = f"{n_lost} of {np.count_nonzero(rows)} rows of class {label!r}"
        of_class = rows & counted
        groups = context.groups
        if not of_class.any():
            text, remedy = f"{text} (which have weight 0)", "Give some of them a weight."
        elif np.count_nonzero(of_class) == 1:
            text += " (which has a single row)"
            remedy = "Add rows of it, or drop the class."
        elif groups is not None and len(np.unique(groups[of_class])) == 1:
            text, remedy = f"{text} (which lies in one group)", "Use finer groups."
        named.append(text)
    more = f" and {len(codes) - 5} more classes" if len(codes) > 5 else ""
    score = "the median score of the others" if others.any() else "equal scores"
    warnings.warn(
        f"{type(owner).__name__} cannot score {', '.join(named)}{more}: no model that "
        f"predicts them was fitted on their class. They get {score}. {remedy}",
        UserWarning,
        stacklevel=2,
    )
    scores = scores.copy()
    scores[~known] = np.median(scores[others]) if others.any() else 0.0
    return scores


def fit_to_labels(model, X, y, n_classes, **params):
    """Fit a classifier; return the labels of its classes where it was given codes.

    XGBoost takes classes from 0 without a gap, which a part of the rows may have.
    """
    labels, codes = np.unique(y, return_inverse=True)
    try:
        model.fit(X, as_target(model, y), **params)
    except ValueError:
        if len(labels) == n_classes:
            raise
        model.fit(X, codes, **params)
        return labels
    return None


def predict_unseen(model, X, y, task, weights, groups, train, test, seed):
    """Predict the rows `test` by a clone of the model that is fitted on the rows `train`.

    Training rows may repeat; those of weight 0 are left out. The clone is seeded where its
    `random_state` is None. Returns labels or floats; where there is one class to train on,
    that class.
    """
    if weights is not None:
        train = train[weights[train] > 0]
        weights = weights[train]
    target = y[train]
    if not len(test) or (task == "classification" and np.all(target == target[0])):
        return np.full(len(test), target[0])
    model = clone_seeded(model, seed, "estimator")
    X_train, X_test = split_rows(model, X, train, test)
    params = weight_params(model, weights, None if groups is None else groups[train])
    explained = explained_groups(model, params)
    with seeded_globals(model, seed), explained, asked_for_parts(model, len(train)):
        labels = None
        if task == "regression":
            model.fit(X_train, as_target(model, target), **params)
        else:
            n_classes = len(np.unique(y))
            labels = fit_to_labels(model, X_train, target, n_classes, **params)
        predicted = model.predict(X_test)
    if labels is not None:
        return labels[np.asarray(predicted, dtype=np.intp).reshape(len(test))]
    name = type(innermost(model)).__name__
    classifies = task == "classification"
    return check_predictions(predicted, y[test], name, classifies=classifies, remedy=REMEDY)


@contextmanager
def asked_for_parts(model, n_rows):
    """Say of an error of a model that it is fitted on parts of the rows."""
    try:
        yield
    except Exception as error:
        if not says_what_it_cannot(error):
            raise
        raise ValueError(
            "The selector fits a model on parts of the rows and lets it predict others. "
            f"Got {type(innermost(model)).__name__}, which cannot with {n_rows} rows: "
            f"{first_line(error)}. {REMEDY}"
        ) from error


def as_target(model, y):
    """The targets as the model reads them: nets want codes, or float32 and 2-d if real."""
    if not is_torch_model(model):
        return y
    names = (ancestor.__name__ for ancestor in type(last_step(model)).__mro__)
    if "NeuralNetBinaryClassifier" in names:
        return y.astype(np.float32)
    if y.dtype.kind != "f":
        return y
    return y.astype(np.int64) if is_classifier(model) else y.astype(np.float32)[:, None]
