"""From a selector and a budget to the rows that are kept, ranked once for all budgets."""

import warnings
from dataclasses import dataclass, replace
from numbers import Integral
from pickle import PicklingError
from types import NoneType

import joblib
import numpy as np
import sklearn
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_memory

from sklearn_prune import __version__
from sklearn_prune._describe_functions import (
    class_name,
    code_of_class,
    describe_function,
    has_version,
    is_function,
    version_of,
)
from sklearn_prune._meta import (
    in_one_line,
    last_step,
    pipeline_prefix,
    routing_enabled,
)
from sklearn_prune._ranking import budget_size, keep_groups, keep_prefix, keeps_all
from sklearn_prune._seeds import fill_random_states, limited_threads, seeded_globals
from sklearn_prune._sklearn_compat import InvalidParameterError, count_rows
from sklearn_prune._validation import (
    check_groups,
    check_target,
    check_weights,
    class_codes,
    quantile_codes,
    resolve_task,
)
from sklearn_prune.sample_selection._base import (
    RankingContext,
    SampleSelector,
    lend_context,
)
from sklearn_prune.sample_selection._weighting import (
    coverage_weights,
    inverse_probability_weights,
)


@dataclass(frozen=True, eq=False)
class Choice:
    """Sorted positions of the kept rows, fitted selector, task, and weights of the rows.

    The selector is None where nothing was ranked.
    """

    indices: np.ndarray
    selector: object
    task: str | None
    weights: np.ndarray | None = None


def choose_rows(
    selector,
    X,
    y,
    params,
    *,
    keep,
    task,
    stratify,
    weighting,
    by_group,
    seed,
    memory,
    estimator,
):
    """Rank the rows by a clone of the selector and keep a prefix: a `Choice`.

    `params` are for the fit of the selector; `seed` fills its `random_state` that are None;
    `estimator` is the unfitted model that the rows are for, or None. task="auto" leaves the
    decision to y, and to the selector for itself.
    """
    n, last = count_rows(X), last_step(selector)
    target = check_target(y)
    decided = resolve_task(task, target)
    strata, classes, labels = _strata(target, decided, stratify)
    balanced = stratify == "balanced"
    prefix = pipeline_prefix(selector)
    groups, sample_weight = (
        params.get(f"{prefix}{name}") for name in ("groups", "sample_weight")
    )
    if groups is not None:
        groups = check_groups(groups, n)
    if sample_weight is not None:
        sample_weight = check_weights(sample_weight, n)
    if by_group and groups is None:
        raise ValueError(
            "by_group=True keeps groups of rows whole and needs to know them. Got no "
            "groups. Call fit(X, y, groups=...)."
        )
    if keeps_all(keep):
        return Choice(np.arange(n), None, decided)
    if balanced and by_group:
        raise InvalidParameterError(
            'stratify="balanced" shares the budget among the rows of each class. Got '
            "by_group=True, which keeps groups whole. Write by_group=False, or "
            'stratify="auto".'
        )
    if keep == "auto" and not last.has_natural_size:
        raise InvalidParameterError(
            'keep="auto" needs a selector with a size of its own: '
            f"{selectors_with('has_natural_size')}. Got {in_one_line(selector)}. Write "
            "one of these, or keep=0.5."
        )
    if weighting == "inverse_probability" and (by_group or not last.draws_rows):
        raise InvalidParameterError(
            'weighting="inverse_probability" needs a selector that draws single rows: '
            f"{selectors_with('draws_rows')}, with by_group=False. Got "
            f'{in_one_line(selector)}, by_group={by_group}. Write weighting="coverage".'
        )
    context = RankingContext(
        task=None if task == "auto" else task,
        seed=seed,
        budget=None if keep == "auto" else budget_size(keep, n),
        estimator=estimator,
        memory=memory,
    )
    fitted = rank_once(selector, X, y, params, context, memory)
    ranking = last_step(fitted).ranking
    if balanced and ranking.keys is not None:
        raise InvalidParameterError(
            'stratify="balanced" shares a budget among the classes. Got '
            f"{in_one_line(last)}, which keeps a random number of rows. Write "
            'scheme="exact", or stratify="auto".'
        )
    if by_group:
        kept = keep_groups(ranking, keep, groups, classes=classes, drawn=last.draws_rows)
    else:
        kept = keep_prefix(ranking, keep, classes=classes, strata=strata, balanced=balanced)
    if keep == "auto":
        warn_of_losses(kept, n, classes, labels)
    weights = None
    if weighting is not None:
        weights = _weights(
            weighting,
            fitted,
            X,
            target if classes is None else classes,
            kept,
            strata,
            context=context,
            task=decided,
            sample_weight=sample_weight,
        )
    return Choice(kept, fitted, decided, weights)


def _strata(target, task, stratify):
    """Strata of the rows, their classes and the labels of these, each None without."""
    strata, classes, labels = None, None, None
    if target is not None and target.ndim == 1:
        if task == "classification":
            classes, labels = class_codes(target)
            strata = classes
        elif stratify == "quantiles":
            strata = quantile_codes(target.astype(np.float64))
    if stratify == "balanced" and classes is None:
        got = "no y" if target is None else f"y of shape {target.shape} for {task}"
        raise InvalidParameterError(
            f'stratify="balanced" needs one column of classes in y. Got {got}. Write '
            'stratify="auto", or "quantiles" for one continuous target.'
        )
    if stratify == "quantiles" and classes is not None:
        raise InvalidParameterError(
            'stratify must be "auto", "balanced" or None where y holds classes. Got '
            '"quantiles" instead. Write stratify="auto" for strata by class.'
        )
    if stratify == "quantiles" and strata is None:
        raise InvalidParameterError(
            'stratify="quantiles" needs one column of continuous targets. Got '
            f"{'no y' if target is None else f'y of shape {target.shape}'}. "
            'Write stratify="auto".'
        )
    return None if stratify is None else strata, classes, labels


def _weights(weighting, selector, X, y, kept, strata, *, context, task, sample_weight):
    """Weights of the kept rows, by what they stand for or how they were drawn."""
    if weighting == "coverage":
        return coverage_weights(
            selector,
            X,
            y,
            kept,
            context=context_within(selector, context),
            task=task,
            sample_weight=sample_weight,
        )
    weights = inverse_probability_weights(last_step(selector).ranking, kept, strata=strata)
    return weights if sample_weight is None else weights * sample_weight[kept]


def rank_once(selector, X, y, params, context, memory):
    """Fit a clone of the selector, or take the equal fit from the cache.

    The cache knows what the ranking depends on: the selector and its parameters, with the
    code of functions and classes that have no version and of those that they name; the
    values of the rows, targets and fit parameters; task, seed and versions; the budget and
    the model only if the selector reads them; never `n_jobs`. Random selectors without a
    seed are not cached.
    """
    last, context = last_step(selector), context_within(selector, context)
    unfitted = clone(selector)
    if context.seed is not None:
        step = unfitted
        while hasattr(step, "steps"):
            for name, transformer in step.steps[:-1]:
                if hasattr(transformer, "get_params"):
                    fill_random_states(transformer, context.seed, f"selector__{name}")
            step = step.steps[-1][1]
    unseeded = is_unseeded(unfitted, context.seed) or last._draws_unseeded(context)
    if memory is None or unseeded:
        return _fit_selector(unfitted, X, y, params, context)
    cached = check_memory(memory).cache(_fit_and_record, ignore=["selector", "context"])
    try:
        identity = (
            (__version__, sklearn.__version__, np.__version__, routing_enabled()),
            _Identity().of(unfitted),
            context.task,
            context.seed,
            context.budget if last.budget_dependent else None,
            _Identity().of(last._part_of_model(context)),
        )
        fitted, recorded = cached(unfitted, X, y, params, context, identity)
    except (AttributeError, TypeError, PicklingError) as error:
        if not isinstance(error, PicklingError) and "pickle" not in str(error):
            raise
        raise TypeError(
            "memory needs a selector and data that can be pickled. Got "
            f"{in_one_line(selector)}. Write named functions instead of lambdas, or "
            "memory=None."
        ) from error
    for warning in recorded:
        warnings.warn_explicit(*warning)
    return fitted


def context_within(selector, context):
    """The context of a selector: behind transformers of its own, it is the last step's."""
    if last_step(selector) is selector:
        return context
    return replace(context, estimator=last_step(context.estimator), transformed=True)


def _fit_selector(selector, X, y, params, context):
    seeded = seeded_globals(selector, context.seed)
    with lend_context(selector, context), limited_threads(1), seeded:
        return selector.fit(X, y, **params)


def _fit_and_record(selector, X, y, params, context, identity):
    """The fitted selector and its warnings, which are given again with a cached fit."""
    with warnings.catch_warnings(record=True) as caught:
        fitted = _fit_selector(selector, X, y, params, context)
    return fitted, [
        (str(one.message), one.category, one.filename, one.lineno) for one in caught
    ]


def is_unseeded(selector, seed):
    """Whether some random part of the selector has no fixed seed."""
    return any(
        not isinstance(value, Integral) and not (value is None and seed is not None)
        for name, value in selector.get_params(deep=True).items()
        if name == "random_state" or name.endswith("__random_state")
    )


class _Identity:
    """What a ranking depends on in an object: its class and parameters, or itself.

    joblib knows functions and classes by their name: their code is added, by source and
    bytecode, with the versions of their packages.
    """

    exact = True

    def __init__(self):
        self._open, self._done = [], {}

    def of(self, part):
        if isinstance(part, list | tuple):
            return tuple(self.of(item) for item in part)
        if isinstance(part, set | frozenset):
            return "set", sorted(joblib.hash(self.of(item)) for item in part)
        if type(part) is dict:
            return {key: self.of(value) for key, value in part.items()}
        if isinstance(part, type):
            return part, self._code(part)
        if is_function(part):
            version = version_of(getattr(part, "__module__", None))
            return part, version, self.once(part, "", lambda: describe_function(part, self))
        if isinstance(part, FrozenEstimator):  # the fitted state counts
            return part, self.of(part.estimator)
        if not hasattr(part, "get_params"):
            return part, self(part) if _has_own_state(part) else self._code(type(part))
        params = part.get_params(deep=False).items()
        kept = [(k, self.of(v)) for k, v in sorted(params) if k not in _NO_MATTER]
        asked = repr(part.get_metadata_routing()) if _has_requests(part) else None
        output = getattr(part, "_sklearn_output_config", None)
        return self.of(type(part)), tuple(kept), asked, output

    def _code(self, cls):
        return version_of(cls.__module__), code_of_class(cls, self)

    def __call__(self, value):
        """Describe what code holds or names: functions by their code, the rest by hash.

        Objects that cannot be pickled count by their class and attributes.
        """
        if isinstance(value, type):
            return class_name(value), self._code(value)
        if is_function(value):
            return self.once(value, "", lambda: describe_function(value, self))
        if isinstance(value, list | tuple | dict):
            return self.once(value, "parts", lambda: self._parts(value))
        if _has_own_state(value):
            return self.once(value, "parts", lambda: self._parts(vars(value), type(value)))
        try:
            return joblib.hash(self.of(value))
        except (AttributeError, TypeError, PicklingError):
            own = getattr(value, "__dict__", {})
            return self.once(value, "parts", lambda: self._parts(own, type(value)))

    def _parts(self, value, cls=None):
        cls, parts = cls or type(value), value
        if all(map(_is_plain, value)):
            parts = joblib.hash(value) if not isinstance(value, dict) else value
        if isinstance(parts, dict):
            parts = [[joblib.hash(self(key)), self(part)] for key, part in value.items()]
        elif parts is value:
            parts = [self(part) for part in value]
        return class_name(cls), self._code(cls), parts

    kept = __call__

    def once(self, value, aspect, compute):
        key = id(value), aspect
        if key in self._open:  # what calls itself
            return self._open.index(key)
        if key not in self._done:
            self._open.append(key)
            try:
                self._done[key] = value, compute()
            finally:
                self._open.pop()
        return self._done[key][1]


def _is_plain(value):
    return isinstance(value, NoneType | bool | int | float | complex | str | bytes)


def _has_own_state(value):
    """Whether an object is its attributes, of a class without a version."""
    cls = type(value)
    return (
        hasattr(value, "__dict__")
        and not has_version(cls.__module__)
        and cls.__reduce_ex__ is object.__reduce_ex__
        and cls.__reduce__ is object.__reduce__
        and cls.__getstate__ is object.__getstate__
        and not hasattr(value, "get_params")
    )


def _has_requests(part):
    return routing_enabled() and hasattr(part, "get_metadata_routing")


_NO_MATTER = {"n_jobs", "memory", "verbose"}


def selectors_with(ability):
    """Names of the selectors whose class attribute of that name is True."""
    import sklearn_prune.sample_selection as selectors

    classes = (getattr(selectors, name) for name in selectors.__all__)
    return ", ".join(
        cls.__name__
        for cls in classes
        if isinstance(cls, type)
        and issubclass(cls, SampleSelector)
        and getattr(cls, ability) is True
    )


def warn_of_losses(kept, n, classes=None, labels=None):
    """Warn of classes that lose most of their rows, and where few rows are left at all.

    The first warning is of a class that loses over half of its rows while the others lose
    under a tenth. The second is of under 5 % of all rows, or of one row of a class with
    more, where the first has not named the class.
    """
    remedy = (
        "Look at the dropped rows, or set keep to a number, which keeps the proportions of "
        "classes."
    )
    alone = []
    before = np.bincount([] if classes is None else classes)
    after = np.bincount([] if classes is None else classes[kept], minlength=len(before))
    for code, (n_before, n_after) in enumerate(zip(before, after, strict=True)):
        label = labels[code : code + 1].tolist()[0]
        others = n - n_before
        lost_of_others = others - (len(kept) - n_after)
        if n_after < n_before / 2 and lost_of_others < others / 10:
            warnings.warn(
                f'keep="auto" dropped {n_before - n_after} of {n_before} rows of class '
                f"{label!r}, and {lost_of_others} of {others} others. {remedy}",
                UserWarning,
                stacklevel=2,
            )
        elif n_after == 1 < n_before:
            alone.append(f"{n_before} rows of class {label!r}")
    few = [f"{len(kept)} of {n} rows"] if len(kept) < 0.05 * n else []
    if alone:
        more = f" and of {len(alone) - 5} more classes" if len(alone) > 5 else ""
        few.append(f"one of {', one of '.join(alone[:5])}{more}")
    if few:
        warnings.warn(
            f'keep="auto" left {" and ".join(few)}. {remedy}', UserWarning, stacklevel=2
        )
