"""What a fitted model costs: bytes, parameters, rows, seconds; and a scorer of it."""

import pickle
from difflib import get_close_matches
from math import isnan
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import MetadataRequest
from sklearn.utils.validation import check_is_fitted

from sklearn_prune._meta import has_tags, in_one_line
from sklearn_prune._ranking import keeps_all
from sklearn_prune._sklearn_compat import count_rows, take_rows
from sklearn_prune.models.containers import curve_of
from sklearn_prune.predictors import ByteCounter, Compact, stored_bytes
from sklearn_prune.sample_selection import SampleSubset, SampleSubsetModel
from sklearn_prune.weight_pruning import (
    PrunedModel,
    PruningContext,
    family_of,
    inner_model,
    is_pipeline,
    shipped,
)

COSTS = ("nbytes", "n_params", "n_nonzero", "n_samples", "predict_latency", "fit_time")
_UNKNOWN = (float("nan"), float("nan"))


class Latency(NamedTuple):
    """Seconds of one call of predict: the median and the minimum over the rounds."""

    median: float
    minimum: float


def count_parameters(model):
    """Count the numbers that `predict` reads, and those of them that are not zero.

    Counts are of what one would ship, as in `report_` of Pruned*. They are NaN for a model
    that cannot be counted.
    """
    if has_tags(model):
        check_is_fitted(model)
    try:
        n_params, n_nonzero = _counts(model)
    except Exception:  # a foreign model may lack anything that its family reads
        return _UNKNOWN
    return float(n_params), float(n_nonzero)


def _counts(model):
    model = shipped(model)
    if is_pipeline(model):
        return _counts(model.steps[-1][1])
    if isinstance(model, Compact):
        return model.n_parameters(), model.n_nonzero()
    if type(model).__name__ == "_ConstantPredictor":
        return 0, 0
    if hasattr(model, "module_"):
        tensors = [tensor for _, tensor in model.module_.named_parameters()]
        nonzero = sum(int((tensor != 0).sum()) for tensor in tensors)
        return sum(tensor.numel() for tensor in tensors), nonzero
    try:
        family, _ = family_of(model)
    except ValueError:  # pruned models inside, which no family prunes again
        family = None
    if family is not None and not family.recurses:
        context = PruningContext(estimator=FrozenEstimator(model), X=None, y=None)
        return family.count(family.start(model, context))
    own = [(np.size(values), np.count_nonzero(values)) for values in _own_values(model)]
    counts = [*own, *map(_counts, _members(model))]
    return tuple(sum(column) for column in zip(*counts, strict=True))


def _own_values(container):
    """The arrays that a container reads beside its members."""
    if hasattr(container, "calibrated_classifiers_"):
        return [
            curve_of(calibrator, container.method)
            for pair in container.calibrated_classifiers_
            for calibrator in pair.calibrators
        ]
    return [container.code_book_] if hasattr(container, "code_book_") else []


def _members(model):
    """The fitted models inside a container."""
    if hasattr(model, "calibrated_classifiers_"):
        return [pair.estimator for pair in model.calibrated_classifiers_]
    for name in ("estimators_", "estimator_", "regressor_"):
        if hasattr(model, name):
            found = getattr(model, name)
            members = [*found] if isinstance(found, list | tuple) else [found]
            final = getattr(model, "final_estimator_", None)
            return members if final is None else [*members, final]
    raise AttributeError(f"{type(model).__name__} has no fitted models inside.")


def rows_trained(model, default=None):
    """Number of rows that a fitted model was trained on, where something records it.

    That is SampleSubset*, also inside a Pipeline, a search or Pruned*, or the model
    itself. NaN where members were trained on fewer rows.
    """
    if isinstance(model, PrunedModel):
        if "sample_indices_" in vars(model):
            return len(model.sample_indices_)
        fewer = _drops_rows(model.estimator)
        return float("nan") if fewer else rows_trained(model.compact_, default)
    if isinstance(model, SampleSubset) and hasattr(model, "sample_indices_"):
        default = len(model.sample_indices_)
    inner = inner_model(model)
    if inner is not None:
        return rows_trained(inner, default)
    if is_pipeline(model):
        for _, step in model.steps[:-1]:
            if hasattr(step, "fit_resample"):
                taken = vars(step).get("sample_indices_")
                default = float("nan") if taken is None else len(taken)
        return rows_trained(model.steps[-1][1], default)
    for name in ("n_samples_fit_", "_n_samples"):
        if isinstance(getattr(model, name, None), int | np.integer):
            return int(getattr(model, name))
    return float("nan") if _drops_rows(model) else default


def rows_seen(model, n_rows):
    """Positions of the rows that a model was trained on, or None where it is not known.

    They are followed through Pipelines with samplers that record `sample_indices_`,
    through SampleSubset* and searches; a row that was drawn twice is there twice.
    """
    rows = np.arange(n_rows)
    while True:
        if isinstance(model, PrunedModel):
            if "sample_indices_" in vars(model):
                return rows[model.sample_indices_]
            return None if _drops_rows(model.estimator) else rows
        if is_pipeline(model):
            for _, step in model.steps[:-1]:
                if hasattr(step, "fit_resample"):
                    taken = np.asarray(vars(step).get("sample_indices_"))
                    if taken.ndim != 1:
                        return None
                    rows = rows[taken]
            model = model.steps[-1][1]
            continue
        if isinstance(model, SampleSubset):
            rows = rows[model.sample_indices_]
        inner = inner_model(model)
        if isinstance(model, FrozenEstimator) or (inner is None and _drops_rows(model)):
            return None
        if inner is None:
            return rows
        model = inner


def kept_rows(model, n_rows):
    """Sorted positions of the rows that are left where some were dropped, else None.

    Of a Pipeline whose last step is trained on all rows, those of the first transformer
    that was fitted on fewer.
    """
    rows = rows_seen(model, n_rows)
    if rows is None:
        return None
    left = np.zeros(n_rows, dtype=bool)
    left[rows] = True
    if not left.all():
        return np.flatnonzero(left)
    for _, step in model.steps[:-1] if is_pipeline(model) else ():
        if isinstance(step, SampleSubsetModel) and len(step.sample_indices_) < n_rows:
            return step.sample_indices_
    return None


def _drops_rows(model):
    """Whether a SampleSubset*, at any depth, is asked to drop rows."""
    params = model.get_params(deep=True) if hasattr(model, "get_params") else {}
    return any(
        isinstance(part, SampleSubset) and not keeps_all(part.keep)
        for part in (model, *params.values())
    )


def kept_units(model):
    """List the parameters that were pruned: kind of unit, sorted ids left, number before.

    Found on Pruned*, also inside SampleSubset*, a search, and any step of a Pipeline.
    """
    if isinstance(model, PrunedModel):
        return [(model.unit_, model.kept_, model.n_units_)]
    if is_pipeline(model):
        return [found for _, step in model.steps for found in kept_units(step)]
    inner = inner_model(model)
    return [] if inner is None else kept_units(inner)


def requested_keeps(estimator):
    """The `keep` of each Pruned* and SampleSubset* at any depth, by parameter name."""
    params = estimator.get_params(deep=True)
    keeps = {}
    for name, value in params.items():
        owner, _, parameter = name.rpartition("__")
        holder = params.get(owner) if owner else estimator
        if parameter == "keep" and isinstance(holder, PrunedModel | SampleSubset):
            keeps[name] = value
    return keeps


def prunes_nothing(estimator):
    """Whether an estimator has no wrapper that prunes, or each has keep=1.0."""
    return all(keeps_all(keep) for keep in requested_keeps(estimator).values())


def fit_seconds(model):
    """CPU seconds that a Pruned* or SampleSubset* recorded of its fit, else None.

    It may be the last step of a Pipeline, of which the other steps do not count, or the
    best of a search.
    """
    if isinstance(model, PrunedModel) and hasattr(model, "report_"):
        return sum(model.report_.seconds.values())
    if isinstance(model, SampleSubset):
        return model.__dict__.get("_fit_seconds")
    inner = model.steps[-1][1] if is_pipeline(model) else inner_model(model)
    return None if inner is None else fit_seconds(inner)


def predict_latency(model, X, n_rows=1, *, rounds=20, budget=0.05):
    """Seconds of the fastest call of `predict` on rows of X, as `interleaved_latency`."""
    found = interleaved_latency({"": model}, X, n_rows, rounds=rounds, budget=budget)
    return found[""].minimum if found else float("nan")


def interleaved_latency(models, X, n_rows=1, *, rounds=30, budget=2.0):
    """Measure seconds of one call of `predict` of several models, in turns.

    Each round asks each model once and starts with another one, so that other load on the
    machine meets all of them alike. The first call is a warm-up. There are at most
    `rounds` rounds, and none but the first begins after `budget` seconds. Rows of X are
    repeated where there are fewer than `n_rows`. Models that cannot predict these rows
    are left out of the result, a dict of Latency.
    """
    rows = take_rows(X, np.arange(n_rows) % count_rows(X))
    seconds = {name: [] for name in models}
    for number in range(-1, rounds):  # the first is not timed: it may compile
        if number <= 0:
            began = perf_counter()
        elif perf_counter() - began > budget:
            break
        names = list(seconds)
        start = max(0, number) % max(1, len(names))
        for name in names[start:] + names[:start]:
            try:
                taken = _seconds_of(models[name].predict, rows)
            except Exception:  # such as that of a model that wants more than one row
                del seconds[name]
                continue
            if number >= 0:
                seconds[name].append(taken)
    return {name: Latency(median(own), min(own)) for name, own in seconds.items()}


def _seconds_of(predict, rows):
    started = perf_counter()
    predict(rows)
    return perf_counter() - started


class CostScorer:
    """The negative cost of a fitted model: what `cost_scorer` returns."""

    def __init__(self, cost):
        self.cost = cost

    def __repr__(self):
        return f"cost_scorer({self.cost!r})"

    def __eq__(self, other):
        return type(other) is type(self) and other.cost == self.cost

    def __hash__(self):
        return hash((type(self), self.cost))

    def __call__(self, estimator, X=None, y=None, **params):
        """The negative cost, so that larger is better; y and weights are not read."""
        return -float(_measured(self.cost, estimator, X))

    def get_metadata_routing(self):
        """It asks for no metadata."""
        return MetadataRequest(owner=self)

    def _accept_sample_weight(self):
        # scikit-learn asks this of a scorer where routing is off, and warns of a No.
        return True


def _measured(cost, model, X):
    if has_tags(model):
        check_is_fitted(model)
    if cost == "nbytes":
        return saved_bytes(model)
    if cost in ("n_params", "n_nonzero"):
        return count_parameters(model)[cost == "n_nonzero"]
    if cost == "predict_latency":
        return predict_latency(model, X)
    found = rows_trained(model) if cost == "n_samples" else fit_seconds(model)
    if found is not None and not isnan(found):
        return found
    what = "rows it was trained on" if cost == "n_samples" else "seconds of its fit"
    remedy = "Wrap it: SampleSubsetClassifier(model, keep=1.0)"
    if cost == "fit_time":
        remedy += ', or read mean_fit_time: smallest_not_worse(cost="fit_time")'
    raise ValueError(
        f"cost_scorer({cost!r}) needs a model that records the {what}. Got "
        f"{in_one_line(model)}. {remedy}."
    )


def cost_scorer(cost):
    """Make a scorer of a cost, for `scoring=` beside a score.

    Parameters
    ----------
    cost : str
        "nbytes": length of the pickle of what one would ship, `compact_` of Pruned* and
        the inner model of SampleSubset*; "n_params" and "n_nonzero": numbers that
        `predict` reads, and those that are not zero; "n_samples": rows trained on;
        "predict_latency": seconds of `predict` for one row; "fit_time": CPU seconds that
        Pruned* and SampleSubset* record of their fit.

    Returns
    -------
    callable
        Called with a fitted estimator, X and y it returns the negative cost, a float:
        larger is better, as scikit-learn wants it of a score. It can be pickled, reads no
        targets and no weights.

    Raises
    ------
    ValueError
        If there is no such cost.

    See Also
    --------
    smallest_not_worse : Picks the cheapest candidate of a search that is not worse.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.comparison import cost_scorer
    >>> X, y = load_iris(return_X_y=True)
    >>> model = PrunedClassifier(KNeighborsClassifier(), keep=0.2).fit(X, y)
    >>> cost_scorer("n_params")(model, X, y)  # 30 of 150 rows, 4 features and a label
    -150.0
    """
    if cost not in COSTS:
        meant = get_close_matches(str(cost), COSTS, 1)
        hint = f"Did you mean {meant[0]!r}?" if meant else f"Write {COSTS[0]!r}."
        raise ValueError(
            f"cost must be one of {', '.join(map(repr, COSTS))}. Got {cost!r}. {hint}"
        )
    return CostScorer(cost)


class _ShippingPickler(pickle.Pickler):
    """Pickles in place of each wrapper what one would ship of it."""

    def reducer_override(self, thing):
        if isinstance(thing, BaseEstimator):
            small = shipped(thing)
            if small is not thing:
                return small.__reduce_ex__(1)  # which may name another class
        return NotImplemented


def saved_bytes(model):
    """Bytes of what one would ship: `stored_bytes` of a predictor, else of the pickle.

    Wrappers inside the model, such as Pruned* in a vote, count as what one would ship of
    them. NaN for a model that cannot be pickled.
    """
    counter = ByteCounter()
    try:
        small = shipped(model)
        if isinstance(small, Compact):
            return stored_bytes(small)
        _ShippingPickler(counter, protocol=5).dump(small)
    except Exception:  # local classes and open handles say so in many ways
        return float("nan")
    return counter.total
