"""What a comparison found: scores, verdicts, costs, what was kept, how to check it."""

import numpy as np

from sklearn_prune._atomic import written_whole
from sklearn_prune._describe_functions import canonical_json
from sklearn_prune._lazy import import_or_raise
from sklearn_prune._meta import is_frozen
from sklearn_prune.comparison.run import manifest_of, margins_of, prunes_nothing, verify
from sklearn_prune.comparison.verdicts import ComparisonTables, as_text

_FEW_ZEROS = 0.1


class PruningComparison(ComparisonTables):
    """The result of `compare_pruning`.

    Parameters
    ----------
    plan : Plan
        What was compared.
    inputs : dict
        Inputs as the manifest has them.
    fits : dict of str to list of FoldResult
        Of each variant, one for each split.
    seconds : dict of str to float
        Where the time went.
    feature_names : ndarray of str or None
        Names of the columns of X.
    classes : ndarray or None
        Labels.
    targets, groups : ndarray or None
        Of all rows.

    Attributes
    ----------
    baseline : str
        Name of the baseline.
    variants : tuple of str
        All names, the baseline's among them, as they were given.
    scorers : tuple of str
        Names of the scores; the first is the primary one.
    margins : dict of str to float
        The loss that would not matter, by scorer, in its units.
    alpha : float
        The nominal risk of a wrong "not worse" in all chains together.
    chains : dict of str to tuple of str
        Variants from the mildest to the hardest.
    keeps : dict of str to float, int, str or None
        What each variant was asked to keep.
    failures : dict of str to str
        Why a variant could not be fitted or scored.
    warnings : tuple of str
        Limits of the result.
    task : {"classification", "regression"} or None
        What kind of models they are.
    n_splits : int
        Number of folds in all repetitions.
    seconds : dict of str to float
        "fit" and "score" over all workers, "latency", "bookkeeping" and "elapsed".

    See Also
    --------
    compare_pruning : Makes one.
    PruningCurveDisplay : Draws the score over `keep`.
    ScoreCostDisplay : Draws the score against a cost.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_prune import PrunedClassifier, compare_pruning
    >>> X, y = load_iris(return_X_y=True)
    >>> tree = DecisionTreeClassifier()
    >>> variants = {"tree": tree, "exact": PrunedClassifier(tree, keep=1.0)}
    >>> comparison = compare_pruning(variants, X, y, baseline="tree", cv=3)
    >>> comparison.smallest_not_worse("nbytes")
    'exact'
    >>> bool(comparison.verify(X, y))
    True
    """

    def __init__(
        self,
        plan,
        inputs,
        fits,
        seconds,
        feature_names=None,
        classes=None,
        targets=None,
        groups=None,
    ):
        self._plan, self._inputs, self._fits = plan, inputs, fits
        self._feature_names, self._classes = feature_names, classes
        self._targets, self._groups = targets, groups
        self.seconds = seconds
        self.baseline = plan.baseline
        self.variants = tuple(plan.estimators)
        self.alpha = plan.alpha
        self.chains, self.keeps = plan.chains, plan.keeps
        self.task = {"classifier": "classification", "regressor": "regression"}.get(
            plan.kind
        )
        self.n_splits = len(plan.splits)
        self.failures = {
            name: f"fold {number}: {fit.error}"
            for name, own in fits.items()
            for number, fit in reversed(list(enumerate(own)))
            if fit.error
        }
        self.scorers = tuple(fits[self.baseline][0].scores)
        self.margins = margins_of(plan, fits)
        self.warnings = warnings_of(plan, fits, self.scorers)

    def _scores(self, name, scorer, control=None):
        fits = self._fits[name]
        if control is not None:
            fits = [fit.controls.get(control) for fit in fits]
        return np.array(
            [np.nan if fit is None else fit.scores.get(scorer, np.nan) for fit in fits]
        )

    def _check_cost(self, cost):
        if cost not in self._plan.costs:
            raise ValueError(
                f"cost must be one that was measured. Got {cost!r}. Write one of "
                f"{', '.join(map(repr, self._plan.costs))}."
            )

    def _check_scorer(self, scorer):
        if scorer is None:
            return self.scorers[0]
        if scorer not in self.scorers:
            raise ValueError(
                f"scorer must be one that was compared. Got {scorer!r}. Write one of "
                f"{', '.join(map(repr, self.scorers))}."
            )
        return scorer

    def smallest_not_worse(self, cost="nbytes", *, scorer=None):
        """Name the cheapest of the variants that are not worse, and of the baseline.

        The nominal risk that it is worse by more than the margin is `alpha`, whatever
        the number of variants: chains are tested in fixed sequence, each at its share of
        alpha.

        Parameters
        ----------
        cost : str, default="nbytes"
            A measure of cost that was taken.
        scorer : str or None, default=None
            The score that must not be worse; None asks it of every score.

        Returns
        -------
        str
            Name of the variant; the baseline's if none that is cheaper is not worse.

        Raises
        ------
        ValueError
            If the cost was not measured, or the scorer is not one of these.
        """
        self._check_cost(cost)
        scorers = self.scorers if scorer is None else (self._check_scorer(scorer),)
        passing = [self.baseline]
        found = [self._verdicts(one) for one in scorers]
        for name in self.variants:
            if name != self.baseline and all(
                verdicts[name][1] == "not worse" for verdicts in found
            ):
                passing.append(name)
        costs = {name: self._mean_costs(name)[cost] for name in passing}
        return min(passing, key=lambda name: (np.isnan(costs[name]), costs[name]))

    def _check_variant(self, variant):
        if variant not in self._fits:
            raise ValueError(
                f"variant must be one that was compared. Got {variant!r}. Write one of "
                f"{', '.join(map(repr, self.variants))}."
            )
        return variant

    def conclusion(self, cost="nbytes"):
        """The verdict in a sentence.

        Parameters
        ----------
        cost : str, default="nbytes"
            What should be small.

        Returns
        -------
        str
            What to use, what it gains and what it may lose.
        """
        from sklearn_prune.comparison.report import headline

        if cost != "nbytes":
            self._check_cost(cost)
        return headline(self, cost)

    @property
    def manifest(self):
        """All that a second run has to find again, as a dict of plain values.

        Equal inputs and results give equal manifests, to the byte of their canonical
        JSON; times are not in it.
        """
        return manifest_of(self._plan, self._inputs, self._fits)

    def save_manifest(self, path):
        """Write the manifest as canonical JSON.

        Parameters
        ----------
        path : path-like
            File to write.

        Returns
        -------
        pathlib.Path
            The same.
        """
        from pathlib import Path

        path, text = Path(path), canonical_json(self.manifest) + "\n"
        with written_whole(path) as file:
            file.write(text.encode("utf-8"))
        return path

    def verify(self, X, y, *, estimators=None, groups=None, params=None, n_jobs=None):
        """Run everything again and name the first thing that differs.

        Parameters
        ----------
        X, y : array-like
            The rows that were compared on.
        estimators : mapping or None, default=None
            The estimators to compare now; None takes those that were compared.
        groups, params : object
            As they were given to `compare_pruning`.
        n_jobs : int or None, default=None
            Fits at a time, which changes no result.

        Returns
        -------
        Verification
            True if the data, the versions, the estimators and all results are the same;
            its text is the first difference. Nothing is fitted where the inputs differ.
        """
        return verify(
            self._plan,
            self.manifest,
            X,
            y,
            estimators=estimators,
            groups=groups,
            params=params,
            n_jobs=n_jobs,
        )

    def plot(self, cost="nbytes", *, scorer=None):
        """Draw the score over `keep`, and the score against a cost.

        Parameters
        ----------
        cost : str, default="nbytes"
            The cost of the second panel.
        scorer : str or None, default=None
            The score; None is the primary one.

        Returns
        -------
        matplotlib.figure.Figure
            With two panels. A notebook shows it once: by pyplot at the end of the cell, or
            later as the value of an expression. Where pyplot cannot show a window either,
            the figure is closed in pyplot.
        """
        pyplot = import_or_raise(
            "matplotlib.pyplot", "PruningComparison.plot", extra="compare"
        )
        from sklearn_prune.comparison.displays import (
            curve_of,
            draw_cost,
            draw_curve,
            points_of,
            show_once,
        )

        figure, (left, right) = pyplot.subplots(
            1, 2, figsize=(12, 4.5), layout="constrained"
        )
        draw_curve(left, **curve_of(self, scorer=scorer))
        draw_cost(right, **points_of(self, scorer=scorer, cost=cost))
        show_once(figure)
        return figure

    def to_html(self, path):
        """Write a report that opens without a network, for people who do not program.

        Parameters
        ----------
        path : path-like
            File to write.

        Returns
        -------
        pathlib.Path
            The same.
        """
        from sklearn_prune.comparison.report import write_report

        return write_report(self, path)

    def __repr__(self):
        return as_text(self)

    def _repr_html_(self):
        from sklearn_prune.comparison.report import to_html_fragment

        return to_html_fragment(self)


def warnings_of(plan, fits, scorers):
    """Sentences on what the comparison does not show [1]_; none if all is as it should be.

    References
    ----------
    .. [1] Blalock, Gonzalez Ortiz, Frankle, Guttag (2020). What is the state of neural
       network pruning? MLSys.
    """
    pruned = [name for name, model in plan.estimators.items() if not prunes_nothing(model)]
    found = []
    if pruned and "random" not in plan.controls:
        found.append(
            "No random control: the comparison cannot show that the choice of what is kept "
            'beats chance. Write controls=("random",).'
        )
    if _one_seed(plan.estimators):
        found.append(
            "One seed: each random_state is fixed, so all folds use the same seed and its "
            "effect is not measured. Leave random_state=None; the comparison sets it for "
            "each fold."
        )
    if len({split.repeat for split in plan.splits}) == 1 and not plan.looks_forward:
        found.append(
            "One repetition: how much the result depends on the folds is not measured. "
            "Write cv=RepeatedStratifiedKFold(), or leave cv=None."
        )
    sizes = {
        plan.keeps[name] for name in pruned if isinstance(plan.keeps[name], float | int)
    }
    if pruned and len(sizes) < 2:
        found.append(
            "One value of keep: the comparison cannot show at which size the score begins "
            "to fall. Compare several values, such as 0.5, 0.2, 0.1 and 0.05."
        )
    for name, model in plan.estimators.items():
        if any(map(is_frozen, _parts(model))):
            found.append(
                f"{name!r} holds a frozen model. It may have been trained on test rows of "
                "these folds, so its score may be too high."
            )
        if any(getattr(part, "stratify", None) == "balanced" for part in _parts(model)):
            found.append(
                f"{name!r} is fitted on balanced classes: its probabilities refer to them. "
                "Compare it with TunedThresholdClassifierCV around the model on all rows."
            )
        share = _share_of_zeros(fits[name])
        if name in pruned and share > _share_of_zeros(fits[plan.baseline]) + _FEW_ZEROS:
            found.append(
                f"{share:.0%} of the numbers that {name!r} stores are zeros. Its bytes and "
                "parameters include them; its non-zero parameters do not."
            )
        for scorer in sorted(scorers):
            scores = [fit.scores.get(scorer, np.nan) for fit in fits[name] if not fit.error]
            if not np.isfinite(scores).all():
                found.append(f"The {scorer} of {name!r} is not finite on some folds.")
    types = {type(part) for model in plan.estimators.values() for part in _parts(model)}
    if any(cls.__name__.startswith("KNeighbors") for cls in types):
        found.append(
            "Nearest neighbours: their scores on different folds agree more than the test "
            "assumes. Verdicts are wrong up to twice as often as alpha says."
        )
    if plan.splits_groups:
        found.append(
            "Groups are on both sides of a split: scores may be too high. Write "
            "cv=GroupKFold(5), or leave cv=None."
        )
    if plan.looks_forward:
        found.append(
            "Each split tests on later rows. Such folds allow no test of a difference, so "
            "only the differences are given."
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


def _parts(model):
    return (model, *model.get_params(deep=True).values())


def _share_of_zeros(fits):
    counts = [fit.costs for fit in fits if {"n_params", "n_nonzero"} <= set(fit.costs)]
    shares = [1 - one["n_nonzero"] / max(1, one["n_params"]) for one in counts]
    return float(np.nanmean(shares)) if np.isfinite(shares).any() else 0.0
