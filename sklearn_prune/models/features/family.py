"""Input features of any model: columns are dropped and the model is fitted on the rest."""

import re
from copy import deepcopy
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.inspection import permutation_importance
from sklearn.pipeline import make_pipeline

from sklearn_prune._meta import first_line, in_one_line
from sklearn_prune._sklearn_compat import (
    InvalidParameterError,
    count_rows,
    has_column_names,
    take_rows,
)
from sklearn_prune.predictors import (
    ColumnSelector,
    CompactColumns,
    CompactModel,
    take_columns,
)
from sklearn_prune.weight_pruning import (
    TRAINING_ATTRIBUTES,
    Accepted,
    Family,
    PrunesWhileTraining,
    Restores,
    UnitTable,
    inner_folds,
    mean_score,
    restored,
)
from sklearn_prune.weight_pruning.criteria import (
    MagnitudeCriterion,
    PermutationCriterion,
    RandomCriterion,
)

_OF_INNER = {"gradient_effects", "removal_losses", "penalised"}  # asked on the columns
_PARAMS_WITH_COLUMN_NUMBERS = {
    "categorical_feature",
    "categorical_features",
    "interaction_constraints",
    "interaction_cst",
}
_PARAMS_WITH_AN_ENTRY_PER_COLUMN = {
    *("monotone_constraints", "monotone_constraint", "monotonic_cst", "mc")
}


@dataclass(frozen=True)
class FeatureWork:
    """A model on some of the columns.

    Parameters
    ----------
    columns : ndarray of shape (n_kept,), int
        Sorted positions of the columns that the model reads.
    n_features : int
        How many columns there are.
    inner : object
        The working form of the model on these columns, None where it is not fitted yet.
    names : ndarray or None
        Names of all columns.
    """

    columns: np.ndarray
    n_features: int
    inner: object
    names: np.ndarray | None = None


class ModelFamily(Restores, Family):
    """A model without a form of its own: kept as it was fitted."""

    criteria = {"feature": (MagnitudeCriterion,)}
    offers = {"feature": ("weights",)}

    def start(self, model, context):
        return model

    def compact(self, work):
        compact = CompactModel()
        compact.model_ = deepcopy(work)
        for name in TRAINING_ATTRIBUTES:
            vars(compact.model_).pop(name, None)
        for name in ("classes_", "n_features_in_", "feature_names_in_"):
            if hasattr(work, name):
                setattr(compact, name, getattr(work, name))
        return compact

    def restore(self, compact, template):
        return compact.restore()

    def feature_importances(self, work):
        return getattr(work, "feature_importances_", None)

    def weights(self, work, unit, context):
        """Coefficients times the spread of their columns, or the model's importances."""
        weights = getattr(work, "coef_", None)
        if weights is not None and not issparse(weights):
            weights = np.abs(np.atleast_2d(weights)).T
            return weights * spreads(context.array)[:, None]
        importances = getattr(work, "feature_importances_", None)
        if importances is None:
            raise InvalidParameterError(
                "MagnitudeCriterion ranks features by coef_ or feature_importances_. Got "
                f"{type(work).__name__}, which has neither. Write PermutationCriterion()."
            )
        importances = np.asarray(importances)
        return importances[:, None] if importances.ndim == 1 else importances


class FeatureFamily(Restores, Family):
    """Features of any model, whose own family makes the predictor."""

    units = ("feature",)

    def __init__(self, inner=None):
        self.inner = ModelFamily() if inner is None else inner
        self.validates_float = self.inner.validates_float
        own = self.inner.criteria.get("feature", (MagnitudeCriterion,))
        # Linear models know their columns well and quickly; others are asked.
        linear = bool(self.inner.units) and "feature" in self.inner.criteria
        first = own if linear else (PermutationCriterion,)
        own = (*own, PermutationCriterion)
        self.criteria = {
            **self.inner.criteria,
            "feature": tuple(dict.fromkeys((*first, *own, RandomCriterion))),
        }
        of_inner = _OF_INNER.intersection(self.inner.offers.get("feature", ()))
        self.offers = {
            **self.inner.offers,
            "feature": ("weights", "shuffling_losses", *of_inner),
        }

    def accepts(self, model):
        return Accepted(self)

    def start(self, model, context):
        n_features = getattr(model, "n_features_in_", None)
        if n_features is None:
            shape = np.shape(context.X)
            n_features = shape[1] if len(shape) == 2 else 0
        names = getattr(model, "feature_names_in_", None)
        names = names if has_column_names(context.X) else None
        inner = self.inner.start(model, context)
        return FeatureWork(np.arange(n_features), n_features, inner, names)

    def table(self, work, unit, context):
        parameters, fixed = np.ones(len(work.columns), dtype=np.int64), 0
        if work.inner is not None and hasattr(self.inner, "column_parameters"):
            parameters, fixed = self.inner.column_parameters(work.inner)
        return UnitTable(work.columns, parameters, fixed)

    def apply(self, work, unit, kept, context):
        if not work.n_features:
            raise InvalidParameterError(
                'unit="feature" drops columns and needs an X that has some. Got '
                f"{type(context.X).__name__} without columns. Write keep=1.0, or put what "
                "makes columns of it before the model, in a Pipeline."
            )
        return replace(work, columns=work.columns[kept], inner=None)

    def refit(self, work, unit, context):
        inside = self._inside(work, context)
        return replace(work, inner=self.inner.start(_fitted_on(inside, work), inside))

    def rewind(self, work, context):
        """The same: the refit starts anew."""
        return work

    def reduce(self, work, shares, request, context):
        in_training = isinstance(self.inner, PrunesWhileTraining)
        if not in_training or not self.inner.prunes_while_training(work.inner, request):
            return super().reduce(work, shares, request, context)
        smaller = []
        for inner in self.inner.reduce(work.inner, shares, request, context):
            columns = self.inner.table(inner, "feature", context).ids
            inner = self.inner.on_columns(inner, columns)
            smaller.append(replace(work, columns=work.columns[columns], inner=inner))
        return smaller

    def _inside(self, work, context):
        """The context with the columns that are left."""
        if len(work.columns) == work.n_features:
            return context
        return replace(context, X=take_columns(context.X, work.columns))

    def compact(self, work):
        if work.inner is None:
            raise InvalidParameterError(
                "A model without some of its columns has to be fitted again. Got "
                "refit=False. Write refit=True."
            )
        inner = self.inner.compact(work.inner)
        if len(work.columns) == work.n_features:
            return inner
        return CompactColumns.around(inner, work.columns, work.n_features, work.names)

    def count(self, work):
        return self.inner.count(work.inner)

    def feature_importances(self, work):
        found = self.inner.feature_importances(work.inner)
        if found is None:
            return None
        found = np.asarray(found)
        full = np.zeros((work.n_features, *found.shape[1:]), dtype=found.dtype)
        full[work.columns] = found
        return full

    def restore(self, compact, template):
        if not isinstance(compact, CompactColumns):
            return restored(self.inner, compact, template)
        selector = ColumnSelector.of(compact, compact.columns_)
        return make_pipeline(selector, restored(self.inner, compact.inner_, template))

    def weights(self, work, unit, context):
        inside = self._inside(work, context)
        if "feature" in self.inner.criteria:
            return self.inner.weights(work.inner, unit, inside)
        importances = self.inner.feature_importances(work.inner)
        if importances is None:
            raise InvalidParameterError(
                "MagnitudeCriterion ranks features by coefficients or importances. Got a "
                f"{type(context.template).__name__}, which has neither. Write "
                "PermutationCriterion()."
            )
        return np.asarray(importances)[:, None]

    def gradient_effects(self, work, unit, context):
        return self.inner.gradient_effects(work.inner, unit, self._inside(work, context))

    def removal_losses(self, work, unit, context):
        return self.inner.removal_losses(work.inner, unit, self._inside(work, context))

    def penalised(self, work, unit, penalty, context):
        inside = self._inside(work, context)
        inner, strengths = self.inner.penalised(work.inner, unit, penalty, inside)
        return replace(work, inner=inner), strengths

    def shuffling_losses(self, work, unit, n_repeats, context):
        """Loss of score by shuffling each column of rows that the model has not seen."""
        inside = self._inside(work, context)
        losses = np.zeros(len(work.columns))
        for number, (train, test) in enumerate(inner_folds(inside)):
            model = inside.fit_first() if inside.is_frozen else inside.on(train).fit()
            losses += _shuffled(
                model, inside.on(test), n_repeats, inside.role_seed(f"shuffle-{number}")
            )
        return losses


def _fitted_on(context, work):
    """The model fitted on the columns that are left, if it can be, and has answers.

    Some models want a number of columns: of their components, of the weights of a metric.
    """
    n_left, n_features = len(work.columns), work.n_features
    remedy = "Write a larger keep, or parameters of the model that any columns suit."
    if n_left < n_features:
        _refuse_moved_columns(context, work.columns)
    try:
        model = context.fit()
    except (ValueError, RuntimeError) as error:
        from_torch = isinstance(error, RuntimeError)
        if from_torch and not hasattr(context.template, "module"):
            raise
        if n_left == n_features:
            raise
        name = type(context.template).__name__
        cause = error if error.__cause__ is None else error.__cause__
        raise ValueError(
            f"{name} cannot be fitted on {n_left} of {n_features} features: "
            f"{first_line(cause)}. {remedy}"
        ) from error
    if n_left < n_features and context.is_classification and _knows_nothing(model, context):
        raise ValueError(
            f"{type(model).__name__} must give finite probabilities. Got only NaN with "
            f"{n_left} of {n_features} features of X. Scale them. {remedy}"
        )
    return model


def _knows_nothing(model, context):
    """Whether all probabilities of a classifier are NaN, in some rows that it has seen."""
    rows = take_rows(context.X, np.arange(min(5, count_rows(context.X))))
    try:
        found = model.predict_proba(rows)
    except (AttributeError, NotImplementedError, ValueError):  # it gives none
        return False
    found = found[0] if isinstance(found, list) else found
    return bool(np.isnan(np.asarray(found, dtype=np.float64)).all())


def _refuse_moved_columns(context, columns):
    """Raise if parameters of the model count columns that have moved, or are gone."""
    params = context.template.get_params() | context.fit_params
    for name, value in params.items():
        own = name.rpartition("__")[2]
        if own not in _PARAMS_WITH_COLUMN_NUMBERS | _PARAMS_WITH_AN_ENTRY_PER_COLUMN:
            continue
        numbers = list(_whole_numbers(value))
        stays = all(n < len(columns) and columns[n] == n for n in numbers)
        if numbers and (own in _PARAMS_WITH_AN_ENTRY_PER_COLUMN or not stays):
            raise InvalidParameterError(
                f'unit="feature" drops columns, and {own} counts them. Got {own}='
                f"{in_one_line(value)}. Name the columns of a frame, or use another unit."
            )


def _whole_numbers(value):
    """The integers in an integer, a text without letters, or nested sequences and sets."""
    if isinstance(value, str) and not re.search("[^-0-9(), ]", value):
        yield from map(int, re.findall("-?[0-9]+", value))  # "(1,-1)", as XGBoost takes it
    elif isinstance(value, Integral) and not isinstance(value, bool):
        yield int(value)
    elif isinstance(value, list | tuple | set | np.ndarray):
        for part in value:
            yield from _whole_numbers(part)


def _shuffled(model, context, n_repeats, seed):
    """Mean loss of the score on the rows of a context, for each column shuffled."""

    def score(model, X, y):
        return mean_score(model, context, X)

    X = context.X.toarray() if issparse(context.X) else context.X
    found = permutation_importance(
        model, X, context.y, scoring=score, n_repeats=n_repeats, random_state=seed
    )
    return found.importances_mean


def spreads(X):
    """Standard deviation of each column; NaN does not count."""
    if issparse(X):
        means = np.asarray(X.mean(axis=0)).ravel()
        squares = np.asarray(X.multiply(X).mean(axis=0)).ravel()
        return np.sqrt(np.maximum(squares - means**2, 0))
    return np.nan_to_num(np.nanstd(X, axis=0))
