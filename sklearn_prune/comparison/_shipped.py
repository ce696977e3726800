"""What one would ship of a fitted model, and the bytes of that."""

import pickle
from copy import copy

from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from sklearn_prune._sizes import ByteCounter
from sklearn_prune._sklearn_compat import BaseSearchCV
from sklearn_prune.sample_selection._subset import SampleSubsetModel
from sklearn_prune.weight_pruning._pruned_base import PrunedModel
from sklearn_prune.weight_pruning.compact._base import Compact
from sklearn_prune.weight_pruning.compact._pipeline import CompactPipeline


def inner_model(model):
    """The fitted model inside a fitted wrapper of one model, or None."""
    if isinstance(model, FrozenEstimator):
        return model.estimator
    if isinstance(model, SampleSubsetModel):
        return model.__dict__.get(f"{model._inner}_")
    if isinstance(model, BaseSearchCV):
        return getattr(model, "best_estimator_", None)
    return None


def shipped(model):
    """What one would ship of a fitted model.

    Parameters
    ----------
    model : estimator
        Fitted; it is not changed.

    Returns
    -------
    object
        `compact_` of Pruned*; the inner model of SampleSubset*, a search or a
        FrozenEstimator, and what one would ship of that; a Pipeline of such steps, in
        compact form where the last one is; any other model itself.
    """
    if isinstance(model, PrunedModel):
        return model.__dict__.get("compact_", model)
    inner = inner_model(model)
    if inner is not None:
        return shipped(inner)
    return _shipped_pipeline(model) if is_pipeline(model) else model


def _shipped_pipeline(model):
    # Samplers do nothing in predict.
    steps = [
        (name, shipped(step))
        for name, step in model.steps
        if not hasattr(step, "fit_resample")
    ]
    if len(steps) == len(model.steps) and all(
        small is step for (_, small), (_, step) in zip(steps, model.steps, strict=True)
    ):
        return model
    *before, (_, last) = steps
    if isinstance(last, Compact):
        before = [
            (name, step) for name, step in before if step not in (None, "passthrough")
        ]
        return CompactPipeline.around([last], model, steps_=before)
    small = copy(model)
    small.steps = steps
    return small


def is_pipeline(model):
    """Whether it has steps."""
    return bool(getattr(model, "steps", None)) and not isinstance(model, type)


class _ShippingPickler(pickle.Pickler):
    """Pickles in place of each wrapper what one would ship of it."""

    def reducer_override(self, thing):
        if isinstance(thing, BaseEstimator):
            small = shipped(thing)
            if small is not thing:
                return small.__reduce_ex__(1)  # which may name another class
        return NotImplemented


def saved_bytes(model):
    """Length of the pickle (protocol 5) of what one would ship; it is not held in memory.

    Parameters
    ----------
    model : estimator
        Fitted. Wrappers inside it, such as Pruned* in a vote, count as what one would
        ship of them.

    Returns
    -------
    int or float
        Bytes; NaN for a model that cannot be pickled.
    """
    counter = ByteCounter()
    try:
        _ShippingPickler(counter, protocol=5).dump(shipped(model))
    except Exception:  # local classes and open handles say so in many ways
        return float("nan")
    return counter.total
