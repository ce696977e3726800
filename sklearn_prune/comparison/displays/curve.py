"""Plot the score of pruned models against `keep`."""

from sklearn_prune._docs import fill
from sklearn_prune._drawing import height_for, start_axes
from sklearn_prune._lazy import import_or_raise
from sklearn_prune.comparison.compare import compare_over_keep
from sklearn_prune.comparison.displays.common import DISPLAY, name_of_interval
from sklearn_prune.comparison.displays.draw import CURVE_COLUMNS, curve_of, draw_curve
from sklearn_prune.comparison.displays.over_search import rows_of_search, search_candidates


@fill(DISPLAY)
class PruningCurveDisplay:
    """Plot of score against `keep`, with intervals, random control and baseline.

    Use `from_estimator`, `from_comparison` or `from_cv_results` to create one.

    Parameters
    ----------
    curves : DataFrame
        One row for each point. Columns: ``line`` (name of its line), ``keep`` (a fraction
        or a number kept), ``score``, ``low`` and ``high`` (ends of its interval, or NaN)
        and ``random`` (score of the random control of the same size, or NaN).
    baseline : float, default=None
        Score of the model that is not pruned.
    margin : float, default=None
        The largest loss against the baseline that counts as not worse.
    score_name : str, default="score"
        Label of the vertical axis.
    interval_name : str, default="interval of the difference"
        What the intervals are, for the legend.
    baseline_keep : float or int, default=None
        Position of the baseline's mark on the horizontal axis; None draws no mark.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    {figure_}
    lines_ : list of matplotlib Line2D
        The curves.
    errorbars_ : list of ErrorbarContainer
        The intervals, one for each line that has any.
    random_lines_ : list of matplotlib Line2D
        The random controls, one for each line that has any.
    baseline_ : matplotlib Line2D or None
        The horizontal line of the baseline.
    star_ : matplotlib Line2D or None
        The mark of the baseline at `baseline_keep`.
    band_ : matplotlib artist or None
        The band of the margin below the baseline.

    See Also
    --------
    ScoreCostDisplay : Score against bytes or seconds, with the Pareto front.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_prune.comparison import PruningCurveDisplay
    >>> curves = pd.DataFrame({
    ...     "line": "forest", "keep": [0.5, 0.1], "score": [0.95, 0.93],
    ...     "low": [0.94, 0.91], "high": [0.96, 0.95], "random": [0.93, 0.9]})
    >>> display = PruningCurveDisplay(curves, baseline=0.95, margin=0.01).plot()
    >>> display.ax_.get_xlabel()
    'keep (fraction)'
    """

    def __init__(
        self,
        curves,
        *,
        baseline=None,
        margin=None,
        score_name="score",
        interval_name="interval of the difference",
        baseline_keep=None,
    ):
        self.curves = curves
        self.baseline = baseline
        self.margin = margin
        self.score_name = score_name
        self.interval_name = interval_name
        self.baseline_keep = baseline_keep

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        keep=(1.0, 0.5, 0.2, 0.1, 0.05),
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
        """Cross-validate an estimator at several values of `keep` and plot its curve.

        Parameters
        ----------
        {estimator, X, y, keep, param_name, cv, scoring, margin, groups, random_control,
         n_jobs, random_state, ax, **kwargs}

        Returns
        -------
        PruningCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If `param_name` is None and the estimator has none or several parameters named
            `keep`, or if every value of `keep` but 1.0 failed.
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
            costs=(),
            n_jobs=n_jobs,
            random_state=random_state,
        )
        return cls.from_comparison(comparison, ax=ax, **kwargs)

    @classmethod
    def from_comparison(
        cls, comparison, *, scorer=None, chains=None, kind=None, ax=None, **kwargs
    ):
        """Draw the chains of a comparison, one line for each.

        Parameters
        ----------
        {comparison, scorer}
        chains : sequence of str, default=None
            Names of the chains to draw; None takes all.
        kind : {"fraction", "number"}, default=None
            Which values of `keep` to draw, since one axis cannot show both; None takes
            the more frequent kind.
        {ax, **kwargs}

        Returns
        -------
        PruningCurveDisplay
            The display, drawn.
        """
        arguments = curve_of(comparison, scorer=scorer, chains=chains, kind=kind)
        return cls(**arguments).plot(ax=ax, **kwargs)

    @classmethod
    def from_cv_results(
        cls,
        cv_results,
        *,
        keep=None,
        score=None,
        test_share=None,
        margin=None,
        alpha=0.05,
        ax=None,
        **kwargs,
    ):
        """Plot the results of a search over `keep`.

        Candidates that differ in `keep` only form a line. The baseline is the candidate
        with ``keep=1.0`` of the best mean score.

        Parameters
        ----------
        {cv_results}
        keep : str, default=None
            Name of the parameter; None takes the only one named ``keep``.
        {score}
        test_share : float, int or splitter, default=None
            Share of the rows in each test fold, or the `cv` of the search. The intervals
            need it, and the results do not hold it. None draws no interval.
        margin : float, default=None
            Height of the band: the largest loss that counts as not worse.
        alpha : float, default=0.05
            One minus the level of the intervals.
        {ax, **kwargs}

        Returns
        -------
        PruningCurveDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the results hold no parameter `keep` or no such score.
        """
        pandas = import_or_raise("pandas", cls.__name__, extra="compare")
        candidates = search_candidates(cv_results, keep=keep, score=score)
        rows, baseline = rows_of_search(candidates, test_share, 1 - alpha)
        display = cls(
            pandas.DataFrame(rows, columns=CURVE_COLUMNS),
            baseline=baseline,
            margin=margin,
            score_name="mean test score" if score in (None, "score") else score,
            interval_name=name_of_interval(alpha),
            baseline_keep=1.0,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, line_kw=None, random_kw=None):
        """Draw the curves.

        Parameters
        ----------
        {ax}
        line_kw : dict, default=None
            Arguments of `Axes.plot` for the lines.
        random_kw : dict, default=None
            Arguments of `Axes.plot` for the random controls.

        Returns
        -------
        PruningCurveDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `keep` holds fractions and numbers, which cannot share an axis.
        """
        size = (6.4, height_for(self.curves["line"].nunique() + 5, 4.4))
        ax = start_axes(ax, type(self).__name__, size)
        drawn = draw_curve(
            ax,
            self.curves,
            baseline=self.baseline,
            margin=self.margin,
            score_name=self.score_name,
            interval_name=self.interval_name,
            baseline_keep=self.baseline_keep,
            line_kw=line_kw,
            random_kw=random_kw,
        )
        vars(self).update(drawn, ax_=ax, figure_=ax.figure)
        return self
