"""What every meta-estimator here shares: inner models, tags, routing, callbacks."""

import re
import warnings
from contextlib import contextmanager, nullcontext
from copy import copy, deepcopy
from functools import wraps
from inspect import signature

import numpy as np
from sklearn import get_config
from sklearn.base import clone
from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object, process_routing
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from sklearn_prune._docs import entries
from sklearn_prune._seeds import fill_random_states
from sklearn_prune._sklearn_compat import (
    InvalidParameterError,
    has_column_names,
    is_search,
)

_ARTICLE = {
    "classifier": "a classifier",
    "clusterer": "a clusterer",
    "density_estimator": "a density estimator",
    "outlier_detector": "an outlier detector",
    "regressor": "a regressor",
    "transformer": "a transformer",
}

MODEL = entries("""
    X : array-like of shape (n_samples, n_features)
        Rows.
    **params : dict
        Parameters for this method of the inner model.
    n_features_in_ : int
        Number of features seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has any.
    n_iter_ : int or ndarray
        Iterations of the inner model, where it counts them.
""")
MODEL |= {  # the sections of a method, by its name
    method: f"Parameters\n----------\n{MODEL['X']}\n{MODEL['**params']}\n\n"
    f"Returns\n-------\nndarray of shape {shape}\n    {returned}"
    for method, shape, returned in (
        ("predict", "(n_samples,) or (n_samples, n_outputs)", "Predicted targets."),
        ("predict_proba", "(n_samples, n_classes)", "Columns as in `classes_`."),
        ("predict_log_proba", "(n_samples, n_classes)", "Columns as in `classes_`."),
        ("decision_function", "(n_samples,) or (n_samples, n_classes)", "Decision values."),
    )
}


def in_one_line(thing):
    """Its repr without line breaks, for error messages."""
    return " ".join(repr(thing).split())


def first_line(error):
    """The first line of a message without its full stop, or the class of the error."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = re.sub(r"\s+array\(\[[^\]]*$", "", lines[0])  # of an array of several lines
    return line.strip().rstrip(".")[:300]


def says_what_it_cannot(error):
    """Whether an error is what a model says of its rows and parameters.

    Others, such as a MemoryError or a KeyError, come through as they are.
    """
    if isinstance(error, InvalidParameterError | Warning):  # in our words, or no error
        return False
    known = isinstance(error, ValueError | IndexError | RuntimeError)
    return known or type(error).__module__ != "builtins"


def check_inner(owner, inner, kind, *, purpose="fit on the rows that are kept"):
    """Raise TypeError unless `inner` is an unfitted or frozen model of the wanted kind.

    `kind` is "classifier", "regressor" or "transformer".
    """
    name = type(owner).__name__
    rule = f"{name} needs {_ARTICLE[kind]} to {purpose}"
    if isinstance(inner, type):
        raise TypeError(
            f"{rule}. Got the class {inner.__name__}. Write {inner.__name__}()."
        )
    methods = ("fit", "transform") if kind == "transformer" else ("fit", "predict")
    if not hasattr(inner, "get_params") or not hasattr(inner, "fit"):
        raise TypeError(
            f"{rule}, with get_params and fit. Got {in_one_line(inner)} of type "
            f"{type(inner).__name__}. Pass a scikit-learn estimator."
        )
    found = get_tags(inner).estimator_type
    if kind == "transformer":
        wrong = not hasattr(inner, "transform")
    else:
        # A foreign model without a type is known by its predict, which some have only
        # once they are fitted. A Pipeline predicts if its last step does.
        predicts = hasattr(inner, "predict") or hasattr(type(last_step(inner)), "predict")
        wrong = not predicts or found not in (kind, None)
    if not wrong:
        return
    if found in ("classifier", "regressor") and found != kind:
        other = name.removesuffix("Classifier").removesuffix("Regressor")
        other = other.removesuffix("Transformer")
        remedy = f"Use {other}{found.capitalize()} for it."
    elif found in ("outlier_detector", "clusterer", "density_estimator"):
        remedy = (
            "Models that are fitted without a target cannot be wrapped. Pass "
            f"{_ARTICLE[kind]}."
        )
    else:
        remedy = f"Pass an estimator with {' and '.join(methods)}."
    what = f", {_ARTICLE[found]}" if found in _ARTICLE else ""
    if not hasattr(inner, methods[1]) and found in (kind, None):
        what += f", which has no method {methods[1]}"
    raise TypeError(f"{rule}. Got {in_one_line(inner)}{what}. {remedy}")


def has_tags(thing):
    """Whether it is an estimator, as opposed to its class or anything else."""
    return hasattr(thing, "__sklearn_tags__") and not isinstance(thing, type)


def nested_estimators(estimator):
    """Yield every estimator that is a parameter at some depth of `estimator`."""
    for part in estimator.get_params(deep=True).values():
        if has_tags(part):
            yield part


def clone_seeded(estimator, seed, role):
    """Clone; an int seed fills each nested `random_state` that is None."""
    try:
        fresh = clone(estimator)
    except (RuntimeError, ValueError) as error:  # of copies of its parameters
        if str(error).startswith("Cannot clone"):
            raise
        raise TypeError(
            "estimator must have parameters that can be copied, as clone of scikit-learn "
            f"does. Got {type(estimator).__name__}: {first_line(error)}. Pass classes as "
            "parameters in place of objects, as in module=Net."
        ) from error
    return fresh if seed is None else fill_random_states(fresh, seed, role)


def inherit_tags(tags, inner):
    """Overwrite in `tags` what the inner model decides: inputs, targets, abilities.

    What is no estimator has no tags; it is refused in fit and not where it is shown.
    """
    if not has_tags(inner):
        return tags
    found = deepcopy(get_tags(inner))
    tags.input_tags = found.input_tags
    tags.target_tags = found.target_tags
    tags.non_deterministic = found.non_deterministic
    tags.no_validation = found.no_validation
    for kind in ("classifier_tags", "regressor_tags", "transformer_tags"):
        if getattr(tags, kind) is not None and getattr(found, kind) is not None:
            setattr(tags, kind, getattr(found, kind))
    return tags


def copy_fitted_attributes(owner, inner, X):
    """Copy numbers and names of features and `n_iter_` from the fitted inner model.

    LightGBM and XGBoost make up names where X has none.
    """
    for name in ("n_features_in_", "feature_names_in_", "n_iter_"):
        owner.__dict__.pop(name, None)
    if not hasattr(inner, "n_features_in_"):
        validate_data(owner, X, skip_check_array=True)
    named = has_column_names(X)
    for name in ("n_features_in_", "feature_names_in_", "n_iter_"):
        if hasattr(inner, name) and (named or name != "feature_names_in_"):
            setattr(owner, name, copy(getattr(inner, name)))


def without_false_names(model, named):
    """A context in which a model that made up names of features does not miss them."""
    if named or not hasattr(last_step(model), "feature_names_in_"):
        return nullcontext()
    return _names_are_false()


@contextmanager
def _names_are_false():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        yield


def inner_has(method, *, fitted, unfitted):
    """Check for `available_if`: the inner model, fitted if possible, has the method."""

    def check(owner):
        inner = getattr(owner, fitted if hasattr(owner, fitted) else unfitted)
        getattr(inner, method)  # its own AttributeError says more than ours
        return True

    return check


def routing_enabled():
    """Whether scikit-learn's metadata routing is switched on."""
    return get_config()["enable_metadata_routing"]


def route_fit_params(owner, params, *, inner, selector, caller="fit", method="fit"):
    """Split fit parameters into those of the inner model and those of the selector.

    `inner` is the name of the constructor argument that holds the inner model, or None.
    `caller` is the method of the owner that was called, `method` the one of the inner model
    that will be. With routing on, requests decide. With routing off, `sample_weight` goes
    to both, `groups` to the selector and to an inner model that takes them, anything else
    to the inner model.
    """
    if routing_enabled():
        if not params:
            return {}, {}
        routed = process_routing(owner, caller, **params)
        inner_params = {} if inner is None else routed[inner][method]
        return dict(inner_params), dict(routed["selector"]["fit"])
    prefix = pipeline_prefix(selector)
    selector_params = {
        prefix + name: params[name]
        for name in ("sample_weight", "groups")
        if params.get(name) is not None
    }
    if inner is None:
        return {}, selector_params
    return with_groups(getattr(owner, inner), params), selector_params


def own_params(params):
    """Fit parameters with copies of what training starts from, as `coef_init`.

    scikit-learn trains in the very array that it is given.
    """
    return {
        name: np.array(value) if name.endswith("_init") and value is not None else value
        for name, value in params.items()
    }


def last_step(estimator):
    """The estimator itself, or the last step of a Pipeline at any depth."""
    while getattr(estimator, "steps", None):
        estimator = estimator.steps[-1][1]
    return estimator


def innermost(model):
    """The model inside Pipelines, searches, FrozenEstimators and SampleSubset*."""
    from sklearn_prune._sklearn_compat import BaseSearchCV

    while True:
        model = last_step(model)
        outer = isinstance(model, FrozenEstimator | BaseSearchCV)
        if not outer and getattr(model, "_inner", None) != "estimator":
            return model
        model = model.estimator


def rows_chosen(model):
    """Positions of the rows that a fitted SampleSubset* kept, or None for another model.

    It may be the last step of a Pipeline without samplers; one inside another chose
    among its rows.
    """
    if any(hasattr(step, "fit_resample") for _, step in getattr(model, "steps", ())):
        return None
    rows, model = None, last_step(model)
    while "sample_indices_" in vars(model) and hasattr(model, "estimator_"):
        own = model.sample_indices_
        rows = own if rows is None else rows[own]
        model = last_step(model.estimator_)
    return rows


def find_subset(fitted, feature):
    """The SampleSubset* that a fitted model holds, and the transformers before it.

    `fitted` is one, a Pipeline in which one is the last step or the only other step that
    chooses rows, or a search whose best estimator is such a model. Raises TypeError for
    another model, and ValueError where other steps change the rows before it.
    """
    model, before = fitted, []
    while not hasattr(type(model), "sample_mask_"):
        if is_search(model) and not getattr(model, "refit", True):
            raise ValueError(
                f"{feature} needs a search with a best estimator. Got refit=False. Write "
                "refit=True."
            )
        if is_search(model):
            check_is_fitted(model, "best_estimator_")
            model = model.best_estimator_
            continue
        steps = [
            (name, step)
            for name, step in getattr(model, "steps", ())
            if step is not None and not isinstance(step, str)
        ]
        choosing = [n for n, (_, step) in enumerate(steps) if _chooses_rows(step)]
        if not choosing:
            raise TypeError(
                f"{feature} needs a fitted SampleSubset meta-estimator, or a Pipeline or "
                f"search that holds one. Got {in_one_line(fitted)}. Write "
                "SampleSubsetClassifier(model, selector).fit(X, y)."
            )
        number = choosing[-1]
        changing = [name for name, step in steps[:number] if hasattr(step, "fit_resample")]
        if changing:
            raise ValueError(
                f"{feature} needs a Pipeline without other samplers before the one to look "
                f"at. Got {changing[0]!r} before {steps[number][0]!r}. Pass the step "
                f"{steps[number][0]!r} with the rows that reach it."
            )
        before += [step for _, step in steps[:number]]
        model = steps[number][1]
    return model, before


def _chooses_rows(model):
    """Whether a SampleSubset* stands in a model, through Pipelines and searches."""
    if hasattr(type(model), "sample_mask_"):
        return True
    inner = getattr(model, "best_estimator_", getattr(model, "estimator", None))
    if is_search(model):
        return _chooses_rows(inner)
    return any(_chooses_rows(step) for _, step in getattr(model, "steps", ()))


def pipeline_prefix(estimator):
    """Prefix that a Pipeline wants before the parameters of its last step."""
    prefix = ""
    while hasattr(estimator, "steps"):
        name, estimator = estimator.steps[-1]
        prefix += f"{name}__"
    return prefix


@contextmanager
def callback_task(context, *, owner, target, X, y):
    """Run one task of a fit, with callbacks handed down to a target that takes them."""
    takes_callbacks = isinstance(target, CallbackSupportMixin) and not isinstance(
        target, FrozenEstimator
    )
    with context.propagate_callback_context(target) if takes_callbacks else nullcontext():
        context.call_on_fit_task_begin(estimator=owner, X=X, y=y)
        try:
            yield
        finally:
            context.call_on_fit_task_end(estimator=owner, X=X, y=y)


class Progress:
    """A task of a fit whose steps callbacks follow; without a context there are none.

    Parameters
    ----------
    context : CallbackContext or None
        The task.
    **given : object
        The estimator that is fitted, as `owner`, and its `X` and `y`.
    """

    def __init__(self, context=None, **given):
        self._context, self._given = context, given

    @contextmanager
    def stage(self, name, n_steps):
        """A part of the task, of so many steps, as a `Progress`."""
        if self._context is None:
            yield self
            return
        context = self._context.subcontext(task_name=name, max_subtasks=n_steps)
        with callback_task(context, target=None, **self._given):
            yield Progress(context, **self._given)

    def step(self, name):
        """Tell callbacks that a step is done."""
        with self.stage(name, 0):
            pass


def is_frozen(model):
    """Whether it, or the last step of a Pipeline, is a FrozenEstimator."""
    while not isinstance(model, FrozenEstimator) and getattr(model, "steps", None):
        model = model.steps[-1][1]
    return isinstance(model, FrozenEstimator)


def holds_frozen(model):
    """Whether it, or an estimator that is its parameter at some depth, is frozen."""
    parts = (model, *nested_estimators(model))
    return any(isinstance(part, FrozenEstimator) for part in parts)


def weight_parameter(model):
    """Name of the fit parameter by which a model takes weights of rows, or None.

    With metadata routing enabled, requests decide.
    """
    if routing_enabled():
        consumed = get_routing_for_object(model).consumes("fit", ["sample_weight"])
        return "sample_weight" if consumed else None
    if has_fit_parameter(last_step(model), "sample_weight"):
        return f"{pipeline_prefix(model)}sample_weight"
    return None


def weight_params(model, weights, groups=None):
    """Parameters that hand weights and groups to the fit of a model that takes them."""
    name = None if weights is None else weight_parameter(model)
    params = {} if name is None else {name: weights}
    return with_groups(model, params | {"groups": groups})


# Models that hand all parameters of fit to the model under this name of theirs.
_PASS_ON = {
    "CalibratedClassifierCV": "estimator",
    "MultiOutputClassifier": "estimator",
    "MultiOutputRegressor": "estimator",
    "RegressorChain": "estimator",
    "RFE": "estimator",
    "SelectFromModel": "estimator",
    "TransformedTargetRegressor": "regressor",
}


def groups_parameter(model):
    """Name of the fit parameter by which a model takes groups of rows, or None.

    With metadata routing enabled, requests decide. Otherwise searches take groups, the
    meta-estimators of this package, what names them in its fit, Pipelines that end in one
    of these, and models that hand parameters on to one.
    """
    if routing_enabled():
        consumed = get_routing_for_object(model).consumes("fit", ["groups"])
        return "groups" if consumed else None
    last, prefix = last_step(model), pipeline_prefix(model)
    names = {cls.__name__ for cls in type(last).__mro__}
    takes = names & {"BaseSearchCV", "RFECV"} or hasattr(last, "_takes_groups")
    if takes or "groups" in signature(last.fit).parameters:
        return f"{prefix}groups"
    for name in sorted(names & set(_PASS_ON)):
        inner = getattr(last, _PASS_ON[name], None)
        found = None if inner is None else groups_parameter(inner)
        return None if found is None else f"{prefix}{found}"
    return None


def with_groups(model, params):
    """Fit parameters in which `groups` has the name by which a model takes it, if any."""
    params = dict(params)
    groups = params.pop("groups", None)
    name = None if groups is None else groups_parameter(model)
    return params if name is None else {name: groups} | params


class FittedAttributes:
    """Base of meta-estimators: what fit sets raises NotFittedError before it.

    That is an AttributeError too, so that hasattr is False.
    """

    def __getattr__(self, name):
        public = name.endswith("_") and not name.startswith("_")
        if public and not self.__sklearn_is_fitted__():
            raise NotFittedError(
                f"{type(self).__name__} has no {name} before fit. Call fit first."
            )
        return object.__getattribute__(self, name)  # raises the error again


def all_or_nothing(fit):
    """Decorate a fit that restores all attributes of its estimator if it fails."""

    @wraps(fit)
    def careful(self, *args, **kwargs):
        before = vars(self).copy()
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return careful
