"""Read the results of a grid or randomized search for the displays."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sklearn_prune._drawing import shorten
from sklearn_prune._ranking import keeps_all
from sklearn_prune.comparison.displays.draw import fits_axis
from sklearn_prune.comparison.search import (
    find_costs,
    find_keep,
    find_scores,
    refuse_halving,
    share_of,
)
from sklearn_prune.comparison.verdicts import corrected_posterior


@dataclass(frozen=True)
class Candidate:
    """One candidate of a search, seen from its parameter `keep`."""

    line: str  # the other parameters that vary
    keep: object
    scores: np.ndarray  # of each split
    cost: float  # NaN where none was asked for


def search_candidates(cv_results, *, keep=None, score=None, cost=None):
    """List the candidates of a search.

    Parameters
    ----------
    cv_results : dict, DataFrame or fitted search
        ``cv_results_`` of GridSearchCV or RandomizedSearchCV, or the search.
    keep : str or None
        Name of the parameter that says how much to keep; None takes the only one whose
        name is, or ends in, ``keep``.
    score : str or None
        Name of the score; None takes the only one that is no cost.
    cost : str or None
        Name of a cost: a negated score of that name, ``fit_time`` or ``score_time``.

    Returns
    -------
    list of Candidate
        In the order of the search.

    Raises
    ------
    ValueError
        If the results hold no such parameter, score or cost.
    """
    results = cv_results if isinstance(cv_results, Mapping) else _results_of(cv_results)
    refuse_halving(results)
    params = results["params"]
    name, _ = find_keep(params, keep)
    scores = find_scores(results, score, cost)
    costs = np.full(len(scores), np.nan) if cost is None else find_costs(results, cost)
    others = [{key: value for key, value in each.items() if key != name} for each in params]
    varying = _varying(others)
    return [
        Candidate(
            ", ".join(f"{key}={_short(rest[key])}" for key in rest if key in varying),
            each.get(name, 1.0),
            row,
            float(price),
        )
        for each, rest, row, price in zip(params, others, scores, costs, strict=True)
    ]


def best_whole(candidates):
    """Return the candidate that keeps all and has the best mean score, or None."""
    whole = [c for c in candidates if keeps_all(c.keep) and np.isfinite(c.scores).all()]
    return max(whole, key=lambda c: c.scores.mean(), default=None)


def rows_of_search(candidates, test_share, level):
    """Points of a search: line, keep, score, low, high, random; and the baseline.

    The fraction 1.0 has no place among counts.
    """
    whole = best_whole(candidates)
    share = None if test_share is None else share_of(test_share)
    pruned_lines = {c.line for c in candidates if not keeps_all(c.keep)}
    rows = []
    for candidate in candidates:
        if isinstance(candidate.keep, str) or candidate.line not in pruned_lines:
            continue
        low = high = np.nan
        if whole is not None and share is not None:
            posterior = corrected_posterior(candidate.scores - whole.scores, share)
            low, high = whole.scores.mean() + np.array(posterior.interval(level))
        score = candidate.scores.mean()
        rows.append((candidate.line, candidate.keep, score, low, high, np.nan))
    keeps = np.array([keep for _, keep, *_ in rows], dtype=float)
    rows = [row for row in rows if not keeps_all(row[1]) or fits_axis(row[1], keeps)]
    return rows, None if whole is None else whole.scores.mean()


def _results_of(search):
    if hasattr(search, "columns"):
        results = {name: np.asarray(search[name]) for name in search.columns}
        if "params" in results:  # which a file of texts holds as such
            return results | {"params": [_as_dict(each) for each in search["params"]]}
        names = [name for name in results if name.startswith("param_")]
        columns = {name[len("param_") :]: results[name].tolist() for name in names}
        if columns:
            rows = zip(*columns.values(), strict=True)
            return results | {"params": [_without_nan(columns, row) for row in rows]}
    results = getattr(search, "cv_results_", None)
    if results is None:
        raise ValueError(
            "cv_results must be a dict, its DataFrame or a fitted search. Got "
            f"{type(search).__name__} without cv_results_. Call fit first."
        )
    return results


def _without_nan(names, row):
    """The parameters of a row of columns, where NaN stands for what is not set."""
    values = dict(zip(names, row, strict=True))
    return {k: v for k, v in values.items() if not (isinstance(v, float) and np.isnan(v))}


def _as_dict(params):
    try:
        found = ast.literal_eval(params) if isinstance(params, str) else params
        return dict(found)
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError(
            "cv_results must hold dicts in its column params. Got "
            f"{_short(params)}. Pass DataFrame(search.cv_results_)."
        ) from error


def _varying(params):
    names = {name for each in params for name in each}
    return {name for name in names if len({repr(each.get(name)) for each in params}) > 1}


def _short(value):
    return shorten(value if isinstance(value, str) else repr(value), 40)
