"""The smallest candidate of a search that is not worse, for `GridSearchCV(refit=...)`."""

import warnings
from math import isfinite

import numpy as np

from sklearn_prune._lazy import import_or_raise
from sklearn_prune._meta import in_one_line
from sklearn_prune.comparison.run import check_alpha, check_margin, resolve_margins
from sklearn_prune.comparison.search.results import (
    check_number_of_splits,
    find_baseline,
    find_chains,
    find_costs,
    find_keep,
    find_scores,
    refuse_halving,
    share_of,
)
from sklearn_prune.comparison.verdicts import corrected_posterior, fixed_sequence, verdict


def smallest_not_worse(
    margin, cost, *, test_share, score=None, keep=None, baseline=None, alpha=0.05
):
    """Pick the cheapest candidate of a search that is not worse by more than a margin.

    For ``GridSearchCV(refit=smallest_not_worse(...))`` over `keep`. The baseline is the
    candidate with keep=1.0 of the best mean score. Candidates that share its other
    parameters are tested from the mildest `keep` on, until one fails [2]_. "Not worse"
    means that the difference to the baseline is above minus the margin with probability
    1 - alpha, by the corrected resampled t [1]_. The cheapest of the baseline and those
    that passed is picked; nominally, it is worse by more than the margin in a share alpha.

    Parameters
    ----------
    margin : float > 0 or str
        The loss that does not matter, in the units of the score; "1%" is a hundredth of
        the baseline's mean.
    cost : str
        The cost: a key of `scoring` that holds a negative cost, as from `cost_scorer`;
        "fit_time" or "score_time", which every search records; or a parameter, such as
        "param_keep".
    test_share : float in (0, 1), int or splitter
        The share of the rows in a test fold, which a search does not record: a number, or
        what its `cv` is, such as 5 or ``RepeatedStratifiedKFold(n_splits=5)``.
    score : str or None, default=None
        Key of `scoring` that holds the score; None is the only one that is no cost.
    keep : str or None, default=None
        Name of the parameter that says how much is kept; None is the only one named
        `keep`, as in "keep" or "clf__keep".
    baseline : int, dict or None, default=None
        Another baseline: the number of a candidate, or parameters that only one has.
    alpha : float in (0, 0.5), default=0.05
        The risk of picking what is worse by more than the margin.

    Returns
    -------
    callable
        Takes ``cv_results_`` and returns the number of the candidate. Its method
        ``explain(cv_results)`` returns a frame that says why.

    Raises
    ------
    ValueError
        If an argument is not valid; when called, also if the results hold no such cost,
        score, parameter or baseline.

    See Also
    --------
    cost_scorer : Makes scorers of costs.

    Notes
    -----
    Fractions, numbers of units and "auto" have no common order: each kind is a sequence
    of its own, and they divide alpha. A candidate with a failed fold does not pass. A
    randomized search must draw `keep` only, or everything else from short lists, so that
    candidates share parameters. Results of HalvingGridSearchCV raise an error, since
    candidates are compared on different rows.

    With several scorers and a function for `refit`, a search has no `best_score_` and
    cannot `score`: use ``search.best_estimator_``, and give `cross_validate` a `scoring`.
    The scores of the picked candidate are optimistic. Evaluate it on held-out rows, or
    put the search inside `cross_validate`.

    References
    ----------
    .. [1] Nadeau, Bengio (2003). Inference for the generalization error. Machine Learning
       52.
    .. [2] Maurer, Hothorn, Lehmacher (1995). Multiple comparisons in drug clinical trials
       and preclinical assays: a-priori ordered hypotheses. In Biometrie in der
       chemisch-pharmazeutischen Industrie 6.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.svm import SVC
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.comparison import cost_scorer, smallest_not_worse
    >>> scoring = {"accuracy": "accuracy", "nbytes": cost_scorer("nbytes")}
    >>> pick = smallest_not_worse(0.05, "nbytes", test_share=5)
    >>> grid = {"keep": [1.0, 0.5, 0.25]}
    >>> search = GridSearchCV(PrunedClassifier(SVC()), grid, scoring=scoring, refit=pick)
    >>> search.fit(*load_iris(return_X_y=True)).best_params_
    {'keep': 0.25}
    """
    return SmallestNotWorse(
        margin,
        cost,
        test_share=test_share,
        score=score,
        keep=keep,
        baseline=baseline,
        alpha=alpha,
    )


class SmallestNotWorse:
    """What `smallest_not_worse` returns: called with `cv_results_` it gives a number."""

    def __init__(self, margin, cost, *, test_share, score, keep, baseline, alpha):
        if margin is None or isinstance(margin, dict):
            raise ValueError(
                "margin must be a number > 0, or a share of the baseline's score as text. "
                f'Got {in_one_line(margin)}. Write margin=0.01, or "1%".'
            )
        check_margin(margin)
        check_alpha(alpha)
        if not isinstance(cost, str):
            raise ValueError(
                f"cost must name a cost. Got {in_one_line(cost)}. Write "
                'cost="nbytes", and scoring={..., "nbytes": cost_scorer("nbytes")}.'
            )
        share_of(test_share)
        self.margin = margin
        self.cost = cost
        self.test_share = test_share
        self.score = score
        self.keep = keep
        self.baseline = baseline
        self.alpha = alpha

    def __repr__(self):
        parts = [repr(self.margin), repr(self.cost), f"test_share={self.test_share!r}"]
        defaults = {"score": None, "keep": None, "baseline": None, "alpha": 0.05}
        for name, default in defaults.items():
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value!r}")
        return f"smallest_not_worse({', '.join(parts)})"

    def __call__(self, cv_results):
        """The number of the candidate that is picked, for `best_index_`."""
        return next(row["candidate"] for row in self._rows(cv_results) if row["picked"])

    def explain(self, cv_results):
        """Say why: the baseline, and the candidates that were compared with it.

        Parameters
        ----------
        cv_results : dict
            `cv_results_` of a search.

        Returns
        -------
        DataFrame
            The baseline first, then each sequence from mild to hard: "candidate", "keep",
            "score" (mean), "difference" to the baseline with its interval of level
            1 - alpha, "ci_low" to "ci_high", "p_not_worse", "verdict" ("baseline", "not
            worse", "worse", "undecided", "not tested" or "failed"), "cost" and "picked".
            Several sequences divide alpha.
        """
        pandas = import_or_raise("pandas", "explain()", extra="compare")
        return pandas.DataFrame(self._rows(cv_results))

    def _rows(self, results):
        refuse_halving(results)
        params = list(results["params"])
        scores = find_scores(results, self.score, self.cost)
        costs = find_costs(results, self.cost)
        check_number_of_splits(self.test_share, scores.shape[1])
        name, keeps = find_keep(params, self.keep)
        base = find_baseline(params, scores, keeps, self.baseline)
        chains = find_chains(params, base, name)
        if not chains:
            warnings.warn(
                "No candidate shares the other parameters of the baseline and keeps less. "
                f"Got {in_one_line(params[base])}: it is picked itself. Search over a grid "
                f"of {name} for each of the others.",
                UserWarning,
                stacklevel=3,
            )
        mean = float(scores[base].mean())
        margin = resolve_margins(self.margin, {}, {"score": mean})["score"]
        alpha = self.alpha / max(1, len(chains))
        share = share_of(self.test_share)

        def row(number):
            posterior = corrected_posterior(
                scores[number] - scores[base],
                share,
                magnitude=float(np.max(np.abs(scores[[number, base]]))),
            )
            low, high = posterior.interval(1 - alpha)
            complete = np.isfinite(scores[number]).all()
            return {
                "candidate": number,
                "keep": params[number].get(name),
                "score": float(scores[number].mean()),
                "difference": posterior.mean,
                "ci_low": low,
                "ci_high": high,
                "p_not_worse": posterior.above(-margin),
                "verdict": verdict(posterior, margin, alpha) if complete else "failed",
                "cost": float(costs[number]),
            }

        rows = [row(base) | {"verdict": "baseline"}]
        for chain in chains:
            found = [row(number) for number in chain]
            gated = fixed_sequence([each["verdict"] for each in found])
            for each, decision in zip(found, gated, strict=True):
                rows.append(each | {"verdict": decision})
        picked = _cheapest(rows, self.cost)
        return [each | {"picked": each is picked} for each in rows]


def _cheapest(rows, cost):
    passed = [row for row in rows if row["verdict"] in ("baseline", "not worse")]
    known = [row for row in passed if isfinite(row["cost"])]
    if known:
        return min(known, key=lambda row: row["cost"])
    raise ValueError(
        "The cost must be known of a candidate that is not worse. Got "
        f"{cost!r}, which is NaN for all of them. Read the warnings of the search."
    )
