"""Prune a fitted model: choose the size, reduce it, make the predictor and the report."""

import warnings
from dataclasses import dataclass, replace
from numbers import Integral
from time import process_time

import numpy as np

from sklearn_prune._meta import first_line
from sklearn_prune._ranking import budget_size, keeps_all
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.predictors import arrays_in, stored_bytes
from sklearn_prune.weight_pruning._family import predictor, working_form
from sklearn_prune.weight_pruning._fitted_form import kept_whole, sentence_of
from sklearn_prune.weight_pruning._inner_validation import inner_curve
from sklearn_prune.weight_pruning._protocol import PruningRequest
from sklearn_prune.weight_pruning._reduce import unit_table
from sklearn_prune.weight_pruning._registry import (
    check_dropout,
    check_unit,
    family_for,
    units_of,
)
from sklearn_prune.weight_pruning._report import PruningReport
from sklearn_prune.weight_pruning._size_choice import (
    ENOUGH_USED,
    LOG_LIMIT,
    best_at,
    last_before_failure,
    sizes_within,
    worst_loss,
)


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


@dataclass(frozen=True)
class Choice:
    """What inner validation chose.

    Parameters
    ----------
    keep : float or int
        The share or number of units to keep.
    request : PruningRequest
        With the chosen option.
    path : list of dict
        The estimates for each size.
    within_tolerance : bool or None
        Whether the chosen size passed; None without inner validation.
    notes : tuple of str
        Sentences for the report.
    """

    keep: object
    request: object
    path: tuple = ()
    within_tolerance: bool | None = None
    notes: tuple = ()


def prune(model, context, *, options, refit, quantizer, criterion, started):
    """Prune a fitted model, which is not changed; the result is a `PruningResult`.

    `options` is the meta-estimator, whose `unit`, `keep`, `schedule`, `max_nbytes` and
    `max_churn` are checked; `refit` is a bool, `quantizer` None or a Quantizer, `started`
    the CPU time at which the fit began.
    """
    pruning_began = process_time()
    keep, unit = options.keep, options.unit
    keep = keep.item() if isinstance(keep, np.generic) else keep
    family = _family(model, context, unit, keep, criterion)
    work = working_form(family, model, context)
    if not keeps_all(keep):
        unit = family.unit_for(work, unit, context)
        check_unit(family, unit, criterion, model)
    counted = family.units[0] if unit == "auto" or keeps_all(keep) else unit
    n_units = len(unit_table(family, work, counted, context).ids)
    if isinstance(keep, Integral) and unit != "rule":  # criteria find more rules
        budget_size(keep, n_units, units=f"{counted}s")
    parameters, nonzero = map(int, family.count(work))
    before = {
        "parameters": parameters,
        "nonzero": nonzero,
        "units": n_units,
        "nbytes": _bytes_of(model),
    }
    request = PruningRequest(unit, criterion, options.schedule, refit)
    validation_began = process_time()
    choice = _choose(family, work, keep, options, request, context, quantizer)
    validation_ended = process_time()
    smaller = work
    if not keeps_all(choice.keep):
        (smaller,) = family.reduce(work, [choice.keep], choice.request, context)
        if keep != "auto":
            family.check_left(smaller, unit, context)
    elif context.dropout > 0:
        smaller = family.refit(work, counted, context)
    compact = exact = _predictor(family, work, smaller, None, context)
    if quantizer is not None:
        compact = _predictor(family, work, smaller, quantizer, context)
    left = family.table(smaller, counted, context)
    kept, n_units = left.ids, left.n_ranked or n_units
    after = {
        "parameters": int(compact.n_parameters()),
        "nonzero": int(compact.n_nonzero()),
        "units": len(kept),
        "nbytes": _bytes_of(compact),
    }
    seconds = {
        "fit": pruning_began - started,
        "inner_validation": validation_ended - validation_began,
        "prune": process_time() - validation_ended + validation_began - pruning_began,
    }
    notes = _notes(exact, after["nbytes"], quantizer, keep, choice.keep)
    report = PruningReport(
        unit=unit,
        keep=choice.keep,
        before=before,
        after=after,
        seconds=seconds,
        path=list(choice.path),
        form=type(compact).__name__,
        within_tolerance=choice.within_tolerance,
        notes=(*notes, *choice.notes),
    )
    if report.larger and not keeps_all(choice.keep):
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
        n_units,
        family.feature_importances(smaller),
        family.n_iter(smaller),
        report,
    )


def _family(model, context, unit, keep, criterion):
    """The family that prunes the model by this unit; raise if arguments do not fit it."""
    check_dropout(model, unit, context.dropout)  # again: a search may change the model
    family, _ = family_for(model, unit)
    if not keeps_all(keep):
        check_unit(family, unit, criterion, model)
    if unit == "auto" and isinstance(keep, Integral):
        raise InvalidParameterError(
            f'keep={keep} (an integer) needs an explicit unit. Got unit="auto". Write a '
            f"float, or name a unit: {', '.join(map(repr, units_of(family)))}."
        )
    return family


def _notes(exact, nbytes, quantizer, keep, chosen_keep):
    """Notes for the report on what is not smaller, with warnings below keep=1.0."""
    warned = []
    if quantizer is not None and _saves_nothing(exact, nbytes):
        warned.append(
            f"quantize={quantizer.scheme!r} saves nothing here: {nbytes:,} bytes, "
            f"and {_bytes_of(exact):,} without it. Write quantize=None."
        )
    stored = "It is stored as it was fitted."
    if not keeps_all(chosen_keep):
        stored = "Its input features are pruned. It is stored as it was fitted on the rest."
    notes = [f"{sentence_of(*each)} {stored}" for each in kept_whole(exact).items()]
    if not keeps_all(keep):
        warned += notes
    for text in warned:
        warnings.warn(text, UserWarning, stacklevel=6)
    return dict.fromkeys([*notes, *warned])


def _predictor(family, work, smaller, quantizer, context):
    """The predictor of the smaller working form; ValueError if it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):  # raises below
        compact = predictor(family, smaller)
        if quantizer is not None:
            compact = family.quantized(compact, smaller, quantizer, context)
    changed = smaller is not work or quantizer is not None
    if changed and not _is_finite(compact) and _is_finite(family.compact(work)):
        raise ValueError(
            "The parameters of a pruned model must be finite numbers. Got NaN or infinity, "
            "and the whole model has none. Scale the columns of X, and y."
        )
    return compact


def _choose(family, work, keep, options, request, context, quantizer):
    """Choose the size and the option by inner validation, as a `Choice`."""
    if keeps_all(keep):
        return Choice(keep, request)
    requests = [
        replace(request, option=option) for option in family.options(work, request, context)
    ]
    if keep != "auto":
        chooses = len(requests) > 1
        own, _, _ = family.validated_part(work, context)
        if not chooses and (request.unit != "auto" or not own.validates_float):
            return Choice(keep, requests[0])
        quiet = {} if chooses else {"divide": "ignore", "invalid": "ignore"}
        try:
            with np.errstate(**quiet):  # of models of very few rows
                choice, warned = _choose_option(family, work, keep, requests, context)
        except Exception as error:
            if chooses:
                raise
            reason = first_line(error)  # nothing is chosen: the fit goes on without it
            note = f"The loss of keep={keep} was not estimated on inner folds: {reason}"
            return Choice(keep, requests[0], notes=(note,))
        if warned:
            warnings.warn(warned, UserWarning, stacklevel=6)
        return choice
    shares = family.auto_shares(work, request.unit, context)
    if not shares:  # nothing can be pruned
        return Choice(1.0, request)
    curve = inner_curve(
        *(family, work, shares, requests, context),
        chooses_size=True,
        max_churn=options.max_churn,
    )
    shares = curve.shares
    criteria = curve.criteria(context.tolerance)
    max_churn = curve.seed_churn if options.max_churn == "seed" else options.max_churn
    best, elsewhere = curve.best_options(criteria, max_churn)
    passes = sizes_within(curve, criteria, elsewhere, max_churn)
    chosen, notes = last_before_failure(passes), ()
    path = _path(curve, shares, requests, best, elsewhere)
    if options.max_nbytes is not None:
        candidates = [requests[curve.options[number]] for number in best]
        chosen, notes = _best_within_bytes(
            family, work, shares, candidates, context, options, quantizer,
            curve.utility(criteria)[best, np.arange(len(shares))], path, passes,
        )  # fmt: skip
        if chosen is None:
            return Choice(1.0, request, path, True, notes)
    if chosen is None:
        rest = path[0], context, max_churn, options.max_churn == "seed"
        why = _why_all(curve, criteria, elsewhere, *rest)
        return Choice(1.0, request, path, True, (why,))
    path[chosen]["chosen"] = True
    own = requests[curve.options[best[chosen]]]
    return Choice(shares[chosen], own, path, bool(passes[chosen]), notes)


def _path(curve, shares, requests, best, elsewhere):
    """The entries of the report for each size."""
    return [
        entry | {"option": requests[entry["option"]].option, "chosen": False}
        for entry in curve.entries(shares, best, elsewhere)
    ]


def _why_all(curve, criteria, elsewhere, first, context, max_churn, by_seed):
    """Why nothing is pruned, for the report; `first` is its entry of the largest size."""
    found = f"loses {first['loss']:.4f} +- {first['error']:.4f} of the score"
    if "log_loss" in first:
        found += f", and its log loss changes by {100 * first['log_loss']:+.1f} %"
    if "churn" in first:
        found += f", and {100 * first['churn']:.1f} % of the labels change"
    failed = [one for one in criteria if not sizes_within(curve, [one], elsewhere)[0]]
    means = [replace(one, with_error=False) for one in failed]
    if not failed:
        bound = curve.churn_bounds(elsewhere)[0]
        limit = f"max_churn={max_churn:.3g}"
        if by_seed:
            limit = f"the {100 * max_churn:.1f} % that a second seed changes"
        remedy = (
            f"The upper 95 % bound of the labels that change, {100 * bound:.1f} %, exceeds "
            f"{limit}: pass more rows or a larger number as max_churn."
        )
    elif sizes_within(curve, means, elsewhere)[0]:
        remedy = (
            "With few rows the standard error alone exceeds the limit: pass more rows or a "
            "larger tolerance."
        )
    elif all(one.is_log_loss for one in failed):
        remedy = (
            f"The log loss may rise by {100 * LOG_LIMIT:.0f} %, whatever the tolerance: "
            "write a float keep to allow more."
        )
    else:
        remedy = "Pass a larger tolerance, or write a float keep."
    return (
        f"All parameters are kept: on inner folds the largest size that was tried "
        f"({first['keep']}) {found}, with tolerance={context.tolerance}. {remedy}"
    )


def _choose_option(family, work, keep, requests, context):
    """The `Choice` for a float or int keep, and a warning where it loses too much."""
    curve = inner_curve(family, work, (keep,), requests, context)
    criteria = curve.criteria(context.tolerance)
    elsewhere = np.full((1 + curve.folds.max(), 1), best_at(curve, criteria, keep))
    path = _path(curve, (keep,), requests, elsewhere[0], elsewhere)
    path[0]["chosen"] = True
    own = requests[curve.options[elsewhere[0, 0]]]
    loss, error, which = worst_loss(path[0])
    within = loss - error <= context.tolerance
    notes = ()
    used = path[0]["used"]
    if isinstance(keep, float) and used < ENOUGH_USED * keep:
        why = "scored as well or better on inner folds"
        if len(requests) == 1:
            why = "is the largest within it"
        notes = (
            f"keep={keep} allows more: the model with {100 * used:.0f} % of the parameters "
            f"{why}.",
        )
    warned = None
    if not within and own.unit == "auto":
        warned = (
            f"keep={keep} loses {loss:.4f} +- {error:.4f} of the score{which} on inner "
            f"folds, more than tolerance={context.tolerance}. "
            f"{_enough(family, work, keep, requests, context)}"
        )
    return Choice(keep, own, path, within, notes), warned


def _enough(family, work, keep, requests, context):
    """A sentence with the smallest larger size that does not lose too much."""
    shares = [share for share in family.auto_shares(work, "auto", context) if share > keep]
    if shares:
        curve = inner_curve(family, work, shares, requests, context)
        choices = curve.best_options(curve.criteria(context.tolerance))
        enough = []
        for entry in curve.entries(curve.shares, *choices):
            loss, error, _ = worst_loss(entry)
            if loss - error <= context.tolerance:
                enough.append(entry["keep"])
        if enough:
            return f"keep={min(enough)} does not."
    return "keep=1.0 loses nothing."


def _best_within_bytes(
    family, work, shares, requests, context, options, quantizer, utility, path, passes
):
    """The number of the best size of at most `max_nbytes`, and a note if it fails.

    Bytes follow the stored parameters, so only as many models are finished as it takes to
    find the largest that fits. None stands for the full model, where that fits.
    """
    whole = stored_bytes(_predictor(family, work, work, quantizer, context))
    if whole <= options.max_nbytes:
        fits, sizes = np.ones(len(shares), dtype=bool), {}
    else:
        sizes = {}

        def nbytes(number):
            if number not in sizes:
                (smaller,) = family.reduce(
                    work, [shares[number]], requests[number], context
                )
                sizes[number] = stored_bytes(
                    _predictor(family, work, smaller, quantizer, context)
                )
            return sizes[number]

        low, high = 0, len(shares)  # the first that fits is in between
        while low < high:
            middle = (low + high) // 2
            low, high = (
                (low, middle)
                if nbytes(middle) <= options.max_nbytes
                else (middle + 1, high)
            )
        if low == len(shares):
            raise ValueError(
                f"max_nbytes must allow the smallest model that is tried, of "
                f"{nbytes(len(shares) - 1):,} bytes. Got max_nbytes={options.max_nbytes}."
            )
        fits = np.arange(len(shares)) >= low
    chosen = int(np.where(fits, utility, -np.inf).argmax())
    ok = passes & fits
    if ok.any():
        return int(np.where(ok, utility, -np.inf).argmax()), ()
    if whole <= options.max_nbytes:
        return None, ()
    entry = path[chosen]
    passing = np.flatnonzero(passes)
    remedy = f"keep=1.0, of {whole:,} bytes, loses nothing."
    if len(passing):
        remedy = f"{nbytes(int(passing[-1])):,} bytes would pass."
    limits = f"tolerance={context.tolerance}"
    if options.max_churn is not None:
        limits += f" and max_churn={options.max_churn!r}"
    note = (
        f"No model of at most {options.max_nbytes:,} bytes stays within {limits}, "
        f"standard errors included: the best loses {entry['loss']:.4f} +- "
        f"{entry['error']:.4f} of the score on inner folds"
    )
    if "log_loss" in entry:
        note += f", log loss {100 * entry['log_loss']:+.0f} %"
    if "churn" in entry:
        note += f", {100 * entry['churn']:.1f} % of the labels change"
    note += f". {remedy}"
    warnings.warn(note, UserWarning, stacklevel=7)
    return chosen, (note,)


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
        return stored_bytes(model)
    except Exception:  # local classes and open handles raise various types
        return None
