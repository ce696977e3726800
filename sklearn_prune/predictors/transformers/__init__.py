"""Fitted transformers of scikit-learn, in forms that need numpy only.

A subclass of a class of scikit-learn, and settings that cannot be stored, such as functions
of the user, have no such form. These transformers stay what they are.
"""

from copy import copy
from importlib import import_module

from ..frames import as_scipy, columns_of, is_named
from .base import is_identity

_FORMS = {
    "Binarizer": "scaling",
    "ColumnTransformer": "containers",
    "CountVectorizer": "texts",
    "FeatureUnion": "containers",
    "KBinsDiscretizer": "encoding",
    "MaxAbsScaler": "scaling",
    "MinMaxScaler": "scaling",
    "Normalizer": "scaling",
    "OneHotEncoder": "encoding",
    "OrdinalEncoder": "encoding",
    "PCA": "projecting",
    "PolynomialFeatures": "projecting",
    "PowerTransformer": "distributions",
    "QuantileTransformer": "distributions",
    "RobustScaler": "scaling",
    "SimpleImputer": "imputing",
    "StandardScaler": "scaling",
    "TfidfTransformer": "texts",
    "TfidfVectorizer": "texts",
    "TruncatedSVD": "projecting",
}
_OTHER_NAMES = {
    "FunctionTransformer": ("base", "CompactFunction"),
    "Pipeline": ("containers", "CompactSteps"),
}


def forms_of(steps, last, *, reads_forms=True):
    """Fitted steps (name, transformer) of a Pipeline, in numpy forms where there are some.

    Where frames go from step to step, all steps must have such forms, which hand on arrays.
    `last` is the fitted model behind the steps, and `reads_forms` says whether its
    predictor can do without frames.
    """
    given = frames = False
    for _, step in [*steps, ("", last)]:
        frames |= given and hasattr(step, "feature_names_in_")
        given |= not is_identity(step)
    forms = [(name, transformer_of(step, frames=frames)[0]) for name, step in steps]
    if not frames:
        pairs = zip(forms, steps, strict=True)
        return [(name, form or step) for (name, form), (_, step) in pairs]
    if not reads_forms or any(form is None for _, form in forms):
        return list(steps)
    from .containers import drop_later_names

    forms = [(name, copy(form)) for name, form in forms]
    drop_later_names([form for _, form in forms])
    return forms


def transformed(steps, X):
    """Rows as fitted steps (name, transformer) give them, one after the other."""
    start = True
    for _, step in steps:
        if is_identity(step):
            continue
        if hasattr(step, "_apply"):
            X = step._start(X) if start else step._apply(X)
        else:
            if is_named(X) and hasattr(step, "feature_names_in_"):
                X = import_module("pandas").DataFrame(columns_of(X, step.feature_names_in_))
            X = step.transform(as_scipy(X))
        start = False
    return as_scipy(X)


def transformer_of(fitted, *, frames=False):
    """The numpy form of a fitted transformer.

    Parameters
    ----------
    fitted : object
        A fitted transformer, or "passthrough".
    frames : bool
        Whether one that gives frames has a form, which gives arrays.

    Returns
    -------
    form : object or None
        Gives what the transformer gives. None where there is no such form.
    reason : str or None
        Why there is none.
    """
    from .base import ColumnSelector, CompactIdentity, CompactTransformer

    if isinstance(fitted, CompactTransformer | ColumnSelector):
        return fitted, None
    if isinstance(fitted, str) or fitted is None:  # "passthrough"
        return CompactIdentity(), None
    name, module = type(fitted).__name__, type(fitted).__module__
    if (name, module) == ("FrozenEstimator", "sklearn.frozen._frozen"):
        return transformer_of(fitted.estimator, frames=frames)
    if name == "SampleSubsetTransformer" and module.startswith("sklearn_prune."):
        return transformer_of(fitted.transformer_, frames=frames)
    if not module.startswith("sklearn."):
        return None, f"{name} is not of scikit-learn"
    output = getattr(fitted, "_sklearn_output_config", {}).get("transform", "default")
    if output != "default" and not frames:
        return None, f"{name} gives frames, by set_output(transform={output!r})"
    if module.startswith("sklearn.feature_selection.") and hasattr(fitted, "get_support"):
        return ColumnSelector.of(fitted, fitted.get_support(indices=True)), None
    if name in _FORMS:
        where, form = _FORMS[name], f"Compact{name}"
    elif name in _OTHER_NAMES:
        where, form = _OTHER_NAMES[name]
    else:
        return None, f"{name} has no numpy form"
    form = getattr(import_module(f"{__name__}.{where}"), form)
    reason = form.reason(fitted)
    if reason is not None:
        return None, reason if reason.startswith(name) else f"{name}: {reason}"
    return form.of(fitted), None
