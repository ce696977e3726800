"""What a file holds of a fitted model: its compact form, without training state."""

from copy import copy

import numpy as np
from scipy.interpolate import BSpline
from sklearn.base import (
    BaseEstimator,
    is_classifier,
    is_clusterer,
    is_outlier_detector,
    is_regressor,
)
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectorMixin
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_prune import SampleSubsetTransformer
from sklearn_prune._meta import last_step
from sklearn_prune._sklearn_compat import columns_read
from sklearn_prune.persistence._stored import StoredModule, StoredSpline
from sklearn_prune.weight_pruning._fitted_form import fitted_form
from sklearn_prune.weight_pruning.compact._base import Compact, Estimator
from sklearn_prune.weight_pruning.compact._module import CompactModule
from sklearn_prune.weight_pruning.compact._steps import ColumnSelector

# These ask the models inside for nothing but predictions.
_ASK_FOR_PREDICTIONS = {
    "AdaBoostClassifier",
    "AdaBoostRegressor",
    "IterativeImputer",
    "RANSACRegressor",
    "StackingClassifier",
    "StackingRegressor",
    "VotingClassifier",
    "VotingRegressor",
}
_GENERATORS = (np.random.RandomState, np.random.Generator, np.random.BitGenerator)


def compact_form(model):
    """What predicts, or transforms, in the place of a fitted model.

    Parameters
    ----------
    model : estimator
        Fitted: a model of this package, of scikit-learn, of a library that has a family
        here, a Pipeline of these, or a transformer.

    Returns
    -------
    Compact or transformer
        Of a pruned model its `compact_`, of a model on fewer rows the compact form of the
        model inside, of others their own. A transformer stays what it is.

    Raises
    ------
    TypeError
        If it is nothing that predicts or transforms.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    """
    if isinstance(model, Compact):
        return model
    if not hasattr(model, "get_params") or isinstance(model, type):
        raise TypeError(
            "A model to save is a fitted estimator. Got "
            f"{_kind_of(model)}. Pass the estimator that fit returned."
        )
    refuse_unfinished_search(model)
    steps = getattr(model, "steps", None) or []
    if any(hasattr(step, "fit_resample") for _, step in steps):
        # Samplers do nothing in predict.
        model = Pipeline([part for part in steps if not hasattr(part[1], "fit_resample")])
    detects = is_outlier_detector(model) or is_clusterer(model)
    if detects and not hasattr(model, "transform"):
        raise TypeError(
            "A model to save classifies, regresses or transforms. Got "
            f"{type(model).__name__}, which finds outliers or clusters. Use joblib for it."
        )
    if (
        (hasattr(model, "predict") and not detects)
        or is_classifier(model)
        or is_regressor(model)
    ):
        return fitted_form(model)
    if hasattr(model, "transform"):
        check_is_fitted(model)
        return model
    raise TypeError(
        "A model to save predicts or transforms. Got "
        f"{type(model).__name__}, which does neither. Save the model that was fitted."
    )


def refuse_unfinished_search(model):
    """Raise TypeError for a search that has fitted no model on all rows."""
    search = last_step(model)
    if hasattr(search, "cv_results_") and search.refit is False:
        raise TypeError(
            "A search to save or to write predicts with its best_estimator_. Got "
            f"{type(search).__name__} with refit=False, which has none. Write refit=True."
        )


def storable(part, *, predicts=False):
    """A copy of a compact form whose parts a file can hold.

    Selectors of columns become their columns, models that are asked for predictions only
    their compact forms, generators of random numbers None; skorch nets and splines become
    what `load` makes them of again.

    Parameters
    ----------
    part : object
        A compact form, a transformer, or anything inside them.
    predicts : bool, default=False
        Whether a model is asked for predictions only.
    """
    if isinstance(part, CompactModule):
        return storable(StoredModule.of(part))
    if isinstance(part, BSpline):
        return StoredSpline.of(part)
    if isinstance(part, np.ndarray):
        return part if type(part) is np.ndarray else np.array(part)
    if isinstance(part, _GENERATORS):
        return None
    if isinstance(part, BaseEstimator | Estimator):
        return _storable_estimator(part, predicts)
    if isinstance(part, dict):
        small = copy(part)
        for key, value in part.items():
            small[key] = storable(value, predicts=predicts)
        return small
    if isinstance(part, list | tuple):
        values = (storable(value, predicts=predicts) for value in part)
        return type(part)(*values) if hasattr(part, "_fields") else type(part)(values)
    return part


def _storable_estimator(estimator, predicts):
    if isinstance(estimator, SampleSubsetTransformer):
        return storable(getattr(estimator, "transformer_", estimator.transformer))
    if isinstance(estimator, SelectorMixin):
        estimator = ColumnSelector.of(estimator, estimator.get_support(indices=True))
    elif predicts and not isinstance(estimator, Compact):
        # One that is not fitted is what the others were cloned from.
        return storable(fitted_form(estimator)) if _is_fitted(estimator) else None
    if isinstance(estimator, ColumnTransformer):
        estimator = _with_positions(estimator)
    predicts = type(estimator).__name__ in _ASK_FOR_PREDICTIONS
    small = copy(estimator)
    for name, value in vars(estimator).items():
        if predicts and name == "estimator":
            value = None
        setattr(small, name, storable(value, predicts=predicts and name.endswith("_")))
    return small


def _with_positions(step):
    """A fitted ColumnTransformer whose selectors of columns are what they selected."""
    small, read = copy(step), columns_read(step)
    small.transformers = [
        (name, part, list(read.get(name, ())) if callable(columns) else columns)
        for name, part, columns in step.transformers
    ]
    return small


def _is_fitted(estimator):
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True


def _kind_of(thing):
    return f"the class {thing.__name__}" if isinstance(thing, type) else repr(type(thing))
