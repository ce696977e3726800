"""Draw the score of each variant against what it costs, and the front of the best."""

from sklearn_prune._docs import fill
from sklearn_prune._drawing import height_for, start_axes
from sklearn_prune._lazy import import_or_raise
from sklearn_prune.comparison.compare import compare_over_keep
from sklearn_prune.comparison.displays.common import DISPLAY
from sklearn_prune.comparison.displays.draw import COST_COLUMNS, draw_cost, points_of
from sklearn_prune.comparison.displays.over_search import best_whole, search_candidates


@fill(DISPLAY)
class ScoreCostDisplay:
    """Score against cost, the front, the verdicts and the controls.

    It is best made by `from_estimator`, `from_comparison` or `from_cv_results`.

    Parameters
    ----------
    points : DataFrame
        One row for each point. Columns: ``name``; ``role`` ("baseline", "variant",
        "random" or "small"; the last two are controls and carry the name of their
        variant); ``cost``; ``score``; ``verdict`` ("not worse", "worse", "undecided",
        "not tested", or "pruned" where nothing was tested).
    score_name : str, default="score"
        Label of the vertical axis.
    cost_name : str, default="nbytes"
        Name of the cost.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the points.
    {figure_}
    points_ : dict
        One matplotlib Line2D for each verdict.
    controls_ : dict
        One matplotlib Line2D for each kind of control.
    front_ : matplotlib Line2D or None
        The front.
    front_names_ : list of str
        The variants on the front, cheapest first: none costs less and scores more.
    labels_ : list of matplotlib Annotation
        The numbers beside the points, which the legend names.

    See Also
    --------
    PruningCurveDisplay : Score over `keep`.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_prune.comparison import ScoreCostDisplay
    >>> points = pd.DataFrame({
    ...     "name": ["all", "half", "tenth"], "role": ["baseline", "variant", "variant"],
    ...     "cost": [9e5, 4e5, 9e4], "score": [0.95, 0.94, 0.95],
    ...     "verdict": ["baseline", "undecided", "not worse"]})
    >>> ScoreCostDisplay(points).plot().front_names_
    ['tenth']
    """

    def __init__(self, points, *, score_name="score", cost_name="nbytes"):
        self.points = points
        self.score_name = score_name
        self.cost_name = cost_name

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        keep=(1.0, 0.5, 0.2, 0.1, 0.05),
        cost="nbytes",
        param_name=None,
        cv=None,
        scoring=None,
        margin=None,
        groups=None,
        random_control=True,
        n_jobs=None,
        random_state=0,
        ax=None,
        **kwargs,
    ):
        """Cross-validate an estimator at several values of `keep` and draw its costs.

        Parameters
        ----------
        {estimator, X, y, keep}
        cost : str, default="nbytes"
            Name of a cost, such as "n_params" or "predict_latency".
        {param_name, cv, scoring, margin, groups, random_control, n_jobs, random_state, ax,
         **kwargs}

        Returns
        -------
        ScoreCostDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `param_name` is None and the estimator has none or several such parameters,
            or if every value of `keep` but 1.0 failed.
        """
        comparison = compare_over_keep(
            estimator,
            X,
            y,
            keep=keep,
            param_name=param_name,
            random_control=random_control,
            cv=cv,
            scoring=scoring,
            margin=margin,
            groups=groups,
            costs=(cost,),
            n_jobs=n_jobs,
            random_state=random_state,
        )
        return cls.from_comparison(comparison, cost=cost, ax=ax, **kwargs)

    @classmethod
    def from_comparison(cls, comparison, *, cost="nbytes", scorer=None, ax=None, **kwargs):
        """Draw the variants of a comparison.

        Parameters
        ----------
        {comparison}
        cost : str, default="nbytes"
            Name of a cost that was measured.
        {scorer, ax, **kwargs}

        Returns
        -------
        ScoreCostDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the cost was not measured.
        """
        found = points_of(comparison, scorer=scorer, cost=cost)
        return cls(**found).plot(ax=ax, **kwargs)

    @classmethod
    def from_cv_results(
        cls, cv_results, *, keep=None, score=None, cost="nbytes", ax=None, **kwargs
    ):
        """Draw the candidates of a search.

        Parameters
        ----------
        {cv_results}
        keep : str, default=None
            Name of the parameter; None takes the only one named ``keep``.
        {score}
        cost : str, default="nbytes"
            Name of a score made by `cost_scorer`, or "fit_time" or "score_time".
        {ax, **kwargs}

        Returns
        -------
        ScoreCostDisplay
            The display, drawn. Nothing is tested: every candidate counts as "pruned".

        Raises
        ------
        ValueError
            If the results hold no such parameter, score or cost.
        """
        pandas = import_or_raise("pandas", cls.__name__, extra="compare")
        candidates = search_candidates(cv_results, keep=keep, score=score, cost=cost)
        whole = best_whole(candidates)
        rows = []
        for candidate in candidates:
            role = "baseline" if candidate is whole else "variant"
            verdict = "baseline" if candidate is whole else "pruned"
            name = ", ".join(filter(None, (candidate.line, f"keep={candidate.keep}")))
            rows.append((name, role, candidate.cost, candidate.scores.mean(), verdict))
        points = pandas.DataFrame(rows, columns=COST_COLUMNS)
        score = "mean test score" if score in (None, "score") else score
        return cls(points, score_name=score, cost_name=cost).plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, show_names=True):
        """Draw the points.

        Parameters
        ----------
        {ax}
        show_names : bool, default=True
            Whether to number the points and to name them in the legend.

        Returns
        -------
        ScoreCostDisplay
            The display itself.

        Raises
        ------
        ValueError
            If no point has both a score and a positive cost.
        """
        size = (7.2, height_for(self.points["name"].nunique() + 6, 4.6))
        ax = start_axes(ax, type(self).__name__, size)
        drawn = draw_cost(
            ax,
            self.points,
            score_name=self.score_name,
            cost_name=self.cost_name,
            show_names=show_names,
        )
        vars(self).update(drawn, ax_=ax, figure_=ax.figure)
        return self
