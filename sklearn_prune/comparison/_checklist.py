"""What to know of a comparison before it is believed."""

import numpy as np

from sklearn_prune._meta import is_frozen
from sklearn_prune.comparison._costs import prunes_nothing

_FEW_ZEROS = 0.1


def warnings_of(plan, fits, scorers):
    """Sentences on what the comparison does not show [1]_.

    Parameters
    ----------
    plan : Plan
        What was compared.
    fits : dict of str to list of Fit
        What was found.
    scorers : tuple of str
        Names of the scores.

    Returns
    -------
    tuple of str
        None of them, if all is as it should be.

    References
    ----------
    .. [1] Blalock, Gonzalez Ortiz, Frankle, Guttag (2020). What is the state of neural
       network pruning? MLSys.
    """
    pruned = [name for name, model in plan.estimators.items() if not prunes_nothing(model)]
    found = []
    if pruned and "random" not in plan.controls:
        found.append(
            "No random control: nothing says that what was kept is better than chance. "
            'Write controls=("random",).'
        )
    if _one_seed(plan.estimators):
        found.append(
            "One seed: each random_state is fixed, so that every fold uses the same one "
            "and luck with it is not seen. Leave random_state=None; the comparison fills "
            "it for each fold."
        )
    if len({split.repeat for split in plan.splits}) == 1 and not plan.looks_forward:
        found.append(
            "One repetition: how much the result depends on the folds is not seen. Write "
            "cv=RepeatedStratifiedKFold(), or leave cv=None."
        )
    sizes = {
        plan.keeps[name] for name in pruned if isinstance(plan.keeps[name], float | int)
    }
    if pruned and len(sizes) < 2:
        found.append(
            "One value of keep: where the score begins to fall is not seen. Compare "
            "several, such as 0.5, 0.2, 0.1 and 0.05."
        )
    for name, model in plan.estimators.items():
        if _has_frozen(model):
            found.append(
                f"{name!r} holds a frozen model, which may have seen the test rows of "
                "every fold: its score may be too high."
            )
        share = _share_of_zeros(fits[name])
        if name in pruned and share > _share_of_zeros(fits[plan.baseline]) + _FEW_ZEROS:
            found.append(
                f"{share:.0%} of the numbers that {name!r} stores are zeros: they count in "
                "its bytes and in its parameters, though not in its non-zeros."
            )
        unknown = sorted(
            scorer
            for scorer in scorers
            if any(
                not fit.error and not np.isfinite(fit.scores.get(scorer, np.nan))
                for fit in fits[name]
            )
        )
        if unknown:
            found.append(f"The {unknown[0]} of {name!r} is not finite on some folds.")
    if any(map(_holds_neighbors, plan.estimators.values())):
        found.append(
            "Nearest neighbours: their folds agree more than the test allows for, so that "
            "verdicts are wrong up to twice as often as alpha says."
        )
    if plan.splits_groups:
        found.append(
            "Groups are on both sides of a split: scores may be too high. Write "
            "cv=GroupKFold(5), or leave cv=None."
        )
    if plan.looks_forward:
        found.append(
            "Each split tests on later rows: only differences are given, since such folds "
            "allow no test of them."
        )
    return tuple(found)


def _one_seed(estimators):
    """Whether seeds are set somewhere and nowhere left open."""
    seeds = [
        value
        for model in estimators.values()
        for name, value in model.get_params(deep=True).items()
        if name.rpartition("__")[2] == "random_state"
    ]
    return bool(seeds) and all(seed is not None for seed in seeds)


def _holds_neighbors(model):
    parts = (model, *model.get_params(deep=True).values())
    return any(type(part).__name__.startswith("KNeighbors") for part in parts)


def _has_frozen(model):
    params = model.get_params(deep=True).values()
    return is_frozen(model) or any(is_frozen(part) for part in params)


def _share_of_zeros(fits):
    counts = [fit.costs for fit in fits if {"n_params", "n_nonzero"} <= set(fit.costs)]
    shares = [1 - one["n_nonzero"] / max(1, one["n_params"]) for one in counts]
    return float(np.nanmean(shares)) if np.isfinite(shares).any() else 0.0
