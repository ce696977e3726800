"""The private names of scikit-learn that this package stands on, and nothing else.

A new scikit-learn that moves one of them is repaired here.
"""

from copy import copy
from functools import partial
from importlib import import_module

from sklearn.base import _fit_context as fit_context
from sklearn.utils import _align_api_if_sparse as align_api_if_sparse
from sklearn.utils import _safe_indexing as take_rows
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    StrOptions,
)
from sklearn.utils.validation import _check_method_params as take_rows_of_params
from sklearn.utils.validation import _get_feature_names
from sklearn.utils.validation import _num_samples as count_rows

__all__ = [
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "align_api_if_sparse",
    "count_rows",
    "fit_context",
    "take_rows",
    "take_rows_of_params",
]


# Imported where they are first asked for: their modules take a while to load.
_LATER = {
    "BaseSearchCV": ("sklearn.model_selection._search", "BaseSearchCV"),
    "CalibratedPair": ("sklearn.calibration", "_CalibratedClassifier"),
    "ConstantPredictor": ("sklearn.multiclass", "_ConstantPredictor"),
    "SigmoidCalibration": ("sklearn.calibration", "_SigmoidCalibration"),
    "TemperatureScaling": ("sklearn.calibration", "_TemperatureScaling"),
    "Tree": ("sklearn.tree._tree", "Tree"),
    "TreePredictor": (
        "sklearn.ensemble._hist_gradient_boosting.predictor",
        "TreePredictor",
    ),
    "fit_calibrator": ("sklearn.calibration", "_fit_calibrator"),
}


def __getattr__(name):
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LATER[name]
    return getattr(import_module(module), attribute)


def has_column_names(X):
    """Whether X is a frame whose columns have names for scikit-learn, that is, strings."""
    try:
        return _get_feature_names(X) is not None
    except TypeError:  # some are strings
        return False


def is_search(estimator):
    """Whether it is a search over parameters, as GridSearchCV is."""
    return hasattr(estimator, "best_estimator_") or (
        hasattr(estimator, "refit") and isinstance(estimator, __getattr__("BaseSearchCV"))
    )


def is_own_score(scorer):
    """Whether a scorer asks the model for its own score."""
    return type(scorer).__name__ == "_PassthroughScorer"


def methods_of_scorer(scorer):
    """Names of the methods of which a scorer needs one; none where it does not say."""
    methods = getattr(scorer, "_response_method", ())
    if isinstance(methods, str):
        methods = () if methods == "default" else (methods,)
    return tuple(methods)


def with_checked_metric(scorer, check):
    """A scorer that hands what its metric returns to `check` before it changes the sign."""
    metric = metric_of_scorer(scorer)
    if metric is None:
        return scorer
    other = copy(scorer)
    other._score_func = lambda *args, **kwargs: check(metric(*args, **kwargs))
    return other


def metric_of_scorer(scorer):
    """The function that a scorer made by make_scorer computes, or None."""
    return getattr(scorer, "_score_func", None)


def columns_of_encoder(encoder):
    """Number of columns that a fitted OneHotEncoder makes of each feature.

    Raises ValueError where it has stored other numbers, or where its codes of infrequent
    categories lie outside of the columns.
    """
    columns = [int(number) for number in encoder._compute_n_features_outs()]
    if [*encoder._n_features_outs] != columns:
        raise ValueError("the columns of an encoder do not fit its categories")
    codes_of = getattr(encoder, "_default_to_infrequent_mappings", None) or ()
    drops = encoder.drop_idx_ is not None
    for number, codes in zip(columns, codes_of, strict=False):
        if codes is not None and (codes.min() < 0 or codes.max() >= number + drops):
            raise ValueError("codes of infrequent categories lie outside of the columns")
    return columns


def keywords_of_scorer(scorer):
    """What a scorer made by make_scorer hands to its metric: a dict."""
    return getattr(scorer, "_kwargs", {})


def scores_and_responses(model, X, y, scorers, params, check):
    """Scores by name, and what the scorers have asked of the model, by method.

    Scorers that are made by make_scorer share what they ask of the model. ``check(value,
    name)`` gives the float that a value stands for.
    """
    from sklearn.metrics._scorer import _BaseScorer, _cached_call

    responses, scores = {}, {}
    for name, scorer in scorers.items():
        given = params.get(name, {})
        if isinstance(scorer, _BaseScorer):
            ask = partial(_cached_call, responses)
            own = with_checked_metric(scorer, partial(check, name=name))
            value = own._score(ask, model, X, y, **given)
        else:
            value = scorer(model, X, y, **given)
        if isinstance(value, dict):
            scores |= {part: check(number, part) for part, number in value.items()}
        else:
            scores[name] = check(value, name)
    return scores, responses


def columns_read(column_transformer):
    """Positions of the columns that each transformer reads, by its name."""
    return column_transformer._transformer_to_input_indices


def rows_of_imputer(knn_imputer):
    """The rows that a KNNImputer was fitted on."""
    return knn_imputer._fit_X


def scaler_of(power_transformer):
    """The scaler behind the powers, or None."""
    return power_transformer._scaler if power_transformer.standardize else None


def directions_of(discriminant_analysis):
    """The matrix that projects rows, of shape (n_features, n_components)."""
    n_components = discriminant_analysis._max_components
    return discriminant_analysis.scalings_[:, :n_components].copy()
