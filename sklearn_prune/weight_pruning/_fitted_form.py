"""What predicts of a fitted model: its compact form, or the model inside its wrappers."""

import warnings
from copy import copy

import numpy as np
from sklearn.base import is_classifier, is_clusterer, is_outlier_detector, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_prune._meta import last_step
from sklearn_prune._sklearn_compat import BaseSearchCV
from sklearn_prune.predictors import Compact, CompactModel, CompactPipeline, forms_of
from sklearn_prune.weight_pruning._registry import MODEL_FAMILY, families_of_class, resolve

# What models keep of their training and do not read in predict.
TRAINING_ATTRIBUTES = (
    *("_x_scores", "_y_scores", "x_scores_", "y_scores_"),  # partial least squares
    *("_optimizer", "_random_state"),  # nets
    "inlier_mask_",  # RANSAC
)
GENERATORS = (np.random.RandomState, np.random.Generator, np.random.BitGenerator)


def compact(model):
    """The exact predictor of a fitted model, without data and without training.

    It gives the labels of the model: the same scores to the bit for trees, to the last
    digits for the rest. It holds what predicts and nothing else, so it is small and needs
    numpy only.

    Parameters
    ----------
    model : estimator
        Fitted, and not changed: a model of scikit-learn, LightGBM, XGBoost or skorch, a
        Pipeline or container of these, a search, or a `Pruned*` or `SampleSubset*` model.

    Returns
    -------
    predictor
        One of `sklearn_prune.predictors`. Of a pruned model it is `compact_`. A model that
        has no smaller form is kept as it is, in a `CompactModel`.

    Raises
    ------
    TypeError
        If it is no estimator, or one that neither predicts nor transforms.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    Warns
    -----
    UserWarning
        If the model, or one inside it, has no smaller form. It says why.

    See Also
    --------
    PrunedClassifier : Makes the model smaller, too.
    sklearn_prune.persistence.save : Writes the predictor to a file.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_prune import compact
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RandomForestClassifier(random_state=0).fit(X, y)
    >>> predictor = compact(model)
    >>> bool((predictor.predict_proba(X) == model.predict_proba(X)).all())
    True
    >>> len(pickle.dumps(model)) > 20 * len(pickle.dumps(predictor))
    True
    """
    found = compact_form(model, "compact")
    sentences = [sentence_of(*each) for each in kept_whole(found).items()]
    if sentences and not isinstance(model, Compact):
        warnings.warn(" ".join(sentences), UserWarning, stacklevel=2)
    return found


def fitted_form(model):
    """What `PrunedClassifier(FrozenEstimator(model), keep=1.0)` predicts with.

    Pruned models give their `compact_`, wherever they are inside. Where the kind of model
    has no smaller form, it is a `CompactModel` around a copy. Raises NotFittedError if the
    model is not fitted.
    """
    while isinstance(model, FrozenEstimator):
        model = model.estimator
    if isinstance(model, Compact):
        return model
    model = without_samplers(model)
    check_is_fitted(model)
    if isinstance(getattr(model, "compact_", None), Compact):
        return model.compact_
    families, _ = families_of_class(model)
    for family in families:
        answer = family.holds(model)
        if answer:
            return answer.family.as_fitted(model)
    return resolve(MODEL_FAMILY)().as_fitted(model)


def compact_form(model, function="save"):
    """What predicts, or transforms, in the place of a fitted model.

    A transformer stays what it is. Raises TypeError, in the name of a function, if the
    model neither predicts nor transforms, NotFittedError if it is not fitted.
    """
    verb = "takes" if function in ("compact", "rules", "shap_trees") else "writes"
    if isinstance(model, Compact):
        return model
    if not hasattr(model, "get_params") or isinstance(model, type):
        got = model.__name__ if isinstance(model, type) else repr(model)
        raise TypeError(
            f"{function} {verb} a fitted estimator. Got {got}. Pass what fit returned."
        )
    search = last_step(model)
    if hasattr(search, "cv_results_") and search.refit is False:
        raise TypeError(
            f"{function} {verb} the best_estimator_ of a search. Got "
            f"{type(search).__name__} with refit=False, which has none. Write refit=True."
        )
    model = without_samplers(model)
    transforms = hasattr(model, "transform")
    detects = is_outlier_detector(model) or is_clusterer(model)
    if detects and not transforms:
        raise TypeError(
            f"{function} {verb} models that classify, regress or transform. Got "
            f"{type(model).__name__}, which finds outliers or clusters. Use joblib or "
            "skl2onnx for it."
        )
    predicts = hasattr(model, "predict") and not detects
    if predicts or is_classifier(model) or is_regressor(model):
        return fitted_form(model)
    if transforms:
        check_is_fitted(model)
        return model
    raise TypeError(
        f"{function} {verb} models that predict or transform. Got "
        f"{type(model).__name__}, which does neither. Pass the model that was fitted."
    )


def kept_whole(compact):
    """The models that a predictor keeps as they were fitted, and why.

    Returns
    -------
    dict of str to (str or None, bool)
        By the name of the class: why the family for it refuses the model, None where there
        is no such family, and whether it would have a smaller form with its training rows.
    """
    found, seen, pending = {}, set(), [compact]
    while pending:
        part = pending.pop()
        if isinstance(part, list | tuple):
            pending.extend(reversed(part))
        elif isinstance(part, CompactModel):
            (families, reason), needs_rows = families_of_class(part.model_), False
            for family in families:
                needs_rows = bool(family.accepts(part.model_))
                answer = family.holds(part.model_)
                reason = reason if answer else answer.reason
            found.setdefault(type(part.model_).__name__, (reason, needs_rows))
        elif isinstance(part, Compact) and id(part) not in seen:
            seen.add(id(part))
            pending.extend(reversed(vars(part).values()))
    return found


def sentence_of(name, why):
    """That a model has no smaller form, and why, for one of the results of `kept_whole`."""
    reason = "" if why[0] is None else f": {why[0]}".replace(f": {name} ", ": it ")
    return f"{name} has no smaller form{reason}."


def shipped(model):
    """What one would ship of a fitted model, which is not changed.

    `compact_` of Pruned*; the inner model of SampleSubset*, a search or a FrozenEstimator,
    and what one would ship of that; a Pipeline of such steps, in compact form where the
    last one is; any other model itself.
    """
    own = getattr(model, "__dict__", {}).get("compact_")
    if own is not None:
        return own
    inner = inner_model(model)
    if inner is not None:
        return shipped(inner)
    return _shipped_pipeline(model) if is_pipeline(model) else model


def _shipped_pipeline(model):
    steps = [(name, shipped(step)) for name, step in without_samplers(model).steps]
    if [id(step) for _, step in steps] == [id(step) for _, step in model.steps]:
        return model
    *before, (_, last) = steps
    if isinstance(last, Compact):
        before = [part for part in before if part[1] not in (None, "passthrough")]
        before = forms_of(before, last, reads_forms=not kept_whole(last))
        return CompactPipeline.around([last], model, steps_=before)
    small = copy(model)
    small.steps = steps
    return small


def inner_model(model):
    """The fitted model inside a fitted wrapper of one model, or None."""
    if isinstance(model, FrozenEstimator):
        return model.estimator
    if isinstance(model, BaseSearchCV):
        return getattr(model, "best_estimator_", None)
    if isinstance(getattr(model, "_inner", None), str):  # SampleSubset*
        return vars(model).get(f"{model._inner}_")
    return None


def is_pipeline(model):
    """Whether it has steps."""
    return bool(getattr(model, "steps", None)) and not isinstance(model, type)


def without_samplers(model):
    """A Pipeline without its samplers, which do nothing in predict; else the model."""
    if not is_pipeline(model):
        return model
    steps = [part for part in model.steps if not hasattr(part[1], "fit_resample")]
    return model if len(steps) == len(model.steps) else Pipeline(steps)
