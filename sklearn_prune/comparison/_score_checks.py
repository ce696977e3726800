"""Scores that can be compared with the baseline's: of the same names, and finite."""

from math import isfinite

from sklearn_prune.comparison._run import Fit


def has_finite_scores(fit):
    """Whether each score of a fit is a finite number."""
    return all(map(isfinite, fit.scores.values()))


def with_usable_scores(fit, names, baseline):
    """The fit, or one that failed where its scores cannot be compared.

    Parameters
    ----------
    fit : Fit
        Of any variant, or of a control.
    names : set of str
        Of the scores that each fit must have.
    baseline : dict of str to float
        Scores of the baseline on the same fold. Where one of these is not finite, such as
        that of a metric that is not defined on this fold, the fit's need not be either.

    Returns
    -------
    Fit
        One without a result has an error.
    """
    if fit.error:
        return fit
    if fit.scores.keys() != names:
        return Fit(
            error="ValueError: scoring must give each model scores of the same names. Got "
            f"{', '.join(map(repr, fit.scores)) or 'none'} instead of the baseline's "
            f"{', '.join(map(repr, names))}. Return the same keys for all."
        )
    for name, score in fit.scores.items():
        known = name in baseline and isfinite(baseline[name])
        if known and not isfinite(score):
            return Fit(
                error=f"ValueError: The score {name!r} must be a finite number. Got "
                f"{score} where the baseline has {baseline[name]:.6g}. Return a number "
                "for each model."
            )
    return fit
