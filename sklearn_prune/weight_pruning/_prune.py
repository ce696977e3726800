"""Prune a fitted model: choose the size, reduce it, make the predictor and the report."""

import warnings
from dataclasses import dataclass, replace
from numbers import Integral
from time import process_time

import numpy as np

from sklearn_prune._atomic import pickled_bytes
from sklearn_prune._ranking import budget_size, keeps_all
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.predictors import arrays_in
from sklearn_prune.weight_pruning._family import predictor, working_form
from sklearn_prune.weight_pruning._fitted_form import kept_whole, sentence_of
from sklearn_prune.weight_pruning._inner_validation import not_worse
from sklearn_prune.weight_pruning._protocol import PruningRequest
from sklearn_prune.weight_pruning._reduce import unit_table
from sklearn_prune.weight_pruning._registry import (
    check_dropout,
    check_unit,
    family_for,
    units_of,
)
from sklearn_prune.weight_pruning._report import PruningReport


@dataclass(frozen=True)
class PruningResult:
    """The result of `prune`.

    Parameters
    ----------
    compact : Compact
        The predictor.
    family : Family
        The family that pruned the inner model.
    unit : str
        The kind of unit of `kept` and `n_units`.
    kept, n_units : ndarray of int, int
        Sorted ids of the units that are left, and the number of units before.
    importances : ndarray or None
        Feature importances, if the inner model has any.
    n_iter : int or None
        Total number of passes over the rows, if the inner model counts them.
    report : PruningReport
        Sizes, times and scores before and after.
    """

    compact: object
    family: object
    unit: str
    kept: np.ndarray
    n_units: int
    importances: np.ndarray | None
    n_iter: int | None
    report: PruningReport


def prune(model, context, *, unit, keep, criterion, schedule, refit, quantizer, started):
    """Prune a fitted model, which is not changed; the result is a `PruningResult`.

    `unit`, `keep`, `criterion` and `schedule` are those of the meta-estimator, checked;
    `refit` is a bool, `quantizer` None or a Quantizer, `started` the CPU time at which the
    fit began.
    """
    pruning_began = process_time()
    check_dropout(model, unit, context.dropout)  # again: a search may change the model
    family, _ = family_for(model, unit)
    if not keeps_all(keep):
        check_unit(family, unit, criterion, model)
    if unit == "auto" and isinstance(keep, Integral):
        raise InvalidParameterError(
            f'keep={keep} (an integer) needs an explicit unit. Got unit="auto". Write a '
            f"float, or name a unit: {', '.join(map(repr, units_of(family)))}."
        )
    work = working_form(family, model, context)
    if not keeps_all(keep):
        unit = family.unit_for(work, unit, context)
        check_unit(family, unit, criterion, model)
    counted = family.units[0] if unit == "auto" or keeps_all(keep) else unit
    units_before = unit_table(family, work, counted, context).ids
    parameters, nonzero = family.count(work)
    before = {
        "parameters": parameters,
        "nonzero": nonzero,
        "units": len(units_before),
        "nbytes": _bytes_of(model),
    }
    if isinstance(keep, Integral):
        budget_size(keep, len(units_before), units=f"{counted}s")
    request = PruningRequest(unit, criterion, schedule, refit)
    validation_began = process_time()
    chosen_keep, request, path = _choose(family, work, keep, request, context)
    validation_ended = process_time()
    smaller = work
    if not keeps_all(chosen_keep):
        (smaller,) = family.reduce(work, [chosen_keep], request, context)
        if keep != "auto":
            family.check_left(smaller, unit, context)
    elif context.dropout > 0:
        smaller = family.refit(work, counted, context)
    with np.errstate(over="ignore", invalid="ignore"):  # raises below
        compact = exact = predictor(family, smaller)
        if quantizer is not None:
            compact = exact.quantized(quantizer)
    changed = smaller is not work or quantizer is not None
    if changed and not _is_finite(compact) and _is_finite(family.compact(work)):
        raise ValueError(
            "The parameters of a pruned model must be finite numbers. Got NaN or infinity, "
            "and the whole model has none. Scale the columns of X, and y."
        )
    kept = family.table(smaller, counted, context).ids
    after = {
        "parameters": compact.n_parameters(),
        "nonzero": compact.n_nonzero(),
        "units": len(kept),
        "nbytes": _bytes_of(compact),
    }
    seconds = {
        "fit": pruning_began - started,
        "inner_validation": validation_ended - validation_began,
        "prune": process_time() - validation_ended + validation_began - pruning_began,
    }
    warned = []
    if quantizer is not None and _saves_nothing(exact, after["nbytes"]):
        warned.append(
            f"quantize={quantizer.scheme!r} saves nothing here: {after['nbytes']:,} bytes, "
            f"and {_bytes_of(exact):,} without it. Write quantize=None."
        )
    stored = "It is stored as it was fitted."
    if not keeps_all(chosen_keep):
        stored = "Its input features are pruned. It is stored as it was fitted on the rest."
    notes = [f"{sentence_of(*each)} {stored}" for each in kept_whole(exact).items()]
    if not keeps_all(keep):
        warned += notes
    for text in warned:
        warnings.warn(text, UserWarning, stacklevel=5)
    notes = tuple(dict.fromkeys([*notes, *warned]))
    report = PruningReport(
        unit, chosen_keep, before, after, seconds, path, type(compact).__name__, notes
    )
    if report.larger and not keeps_all(chosen_keep):
        warnings.warn(
            f"The pruned {type(model).__name__} is larger than the whole model: "
            f"{after['nbytes']:,} bytes, and {before['nbytes']:,} before. Use the "
            "unpruned model, a smaller keep, or another unit.",
            UserWarning,
            stacklevel=5,
        )
    return PruningResult(
        compact,
        family,
        counted,
        np.sort(kept),
        len(units_before),
        family.feature_importances(smaller),
        family.n_iter(smaller),
        report,
    )


def _choose(family, work, keep, request, context):
    """The chosen keep, the request with the best option, and the path of the report."""
    if keeps_all(keep):
        return keep, request, []
    options = family.options(work, request, context)
    requests = [replace(request, option=option) for option in options]
    is_auto = keep == "auto"
    if not is_auto and len(requests) == 1:
        return keep, requests[0], []
    shares = family.auto_shares(work, request.unit, context) if is_auto else (keep,)
    if not shares:  # nothing can be pruned
        return 1.0, request, []
    baseline, scores = family.inner_validation(work, shares, requests, context)
    best = np.argmax(np.round(scores.mean(axis=2), 12), axis=0)  # option for each size
    scores = scores[best, np.arange(len(shares))]
    passes, losses, errors = not_worse(baseline, scores, context.tolerance)
    chosen = 0
    if is_auto:
        passed = np.flatnonzero(passes)
        chosen = int(passed[-1]) if len(passed) else None
    path = [
        {
            "keep": share,
            "option": options[best[number]],
            "loss": float(losses[number]),
            "error": float(errors[number]),
            "chosen": number == chosen,
        }
        for number, share in enumerate(shares)
    ]
    if chosen is None:
        return 1.0, request, path
    return shares[chosen], requests[best[chosen]], path


def _is_finite(compact):
    """Whether no array of a predictor holds NaN or infinity."""
    arrays = (array for array in arrays_in(compact) if array.dtype.kind in "fc")
    return all(np.isfinite(array).all() for array in arrays)


def _saves_nothing(exact, nbytes):
    """Whether a predictor without rounded parameters has no more bytes than with them."""
    own = _bytes_of(exact)
    return None not in (own, nbytes) and own <= nbytes


def _bytes_of(model):
    """Length of the pickle of a fitted model; None if it cannot be pickled."""
    try:
        return pickled_bytes(model)
    except Exception:  # local classes and open handles raise various types
        return None
