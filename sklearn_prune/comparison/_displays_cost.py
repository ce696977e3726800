"""Draw the score of each variant against what it costs, and the front of the best."""

import numpy as np

from sklearn_prune._optional import import_or_raise
from sklearn_prune.comparison._displays_common import (
    GREY,
    INK,
    MEASURES,
    VERDICTS,
    add_legend,
    check_scorer,
    compare_over_keep,
    height_for,
    human_measure,
    label_log_axis,
    mean_measures,
    mean_of,
    shorten,
    start_axes,
    tidy_axes,
)
from sklearn_prune.comparison._displays_front import corners_of_steps, pareto_front
from sklearn_prune.comparison._displays_labels import place_labels, write_key
from sklearn_prune.comparison._displays_search import best_whole, search_candidates

COLUMNS = ["name", "role", "cost", "score", "verdict"]
CONTROLS = {"random": ("D", "random, same size"), "small": ("p", "small, from scratch")}


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
    figure_ : matplotlib Figure
        Figure of those axes.
    points_ : dict
        One matplotlib Line2D for each verdict.
    controls_ : dict
        One matplotlib Line2D for each kind of control.
    front_ : matplotlib Line2D or None
        The front.
    front_names_ : list of str
        The variants on the front, cheapest first: none costs less and scores more.
    labels_ : list of matplotlib Annotation
        The names beside the points, or their numbers where the names do not fit.
    key_ : list of str
        The names, in the order of the numbers.

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
        estimator : estimator
            A model with a parameter named ``keep``, also inside a Pipeline.
        X : array-like of shape (n_samples, ...)
            Rows.
        y : array-like of shape (n_samples,)
            Targets.
        keep : sequence of float or int, default=(1.0, 0.5, 0.2, 0.1, 0.05)
            Values to compare; 1.0, the baseline, is added where it is missing.
        cost : str, default="nbytes"
            Name of a cost, such as "n_params" or "predict_latency".
        param_name : str, default=None
            Name of the parameter; None takes the only one named ``keep``.
        cv : int, splitter or iterable, default=None
            As in `compare_pruning`.
        scoring : str, callable, list or dict, default=None
            As in `compare_pruning`; the first scorer is drawn.
        margin : float, dict or str, default=None
            As in `compare_pruning`.
        groups : array-like of shape (n_samples,), default=None
            Groups for the splitter.
        random_control : bool, default=True
            Whether to also fit a random control of the same size for every point.
        n_jobs : int, default=None
            Number of fits that run at the same time.
        random_state : int, default=0
            Seed of folds and fits.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **kwargs : dict
            Handed to `plot`.

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
        comparison : PruningComparison
            What `compare_pruning` gave.
        cost : str, default="nbytes"
            Name of a cost that was measured.
        scorer : str, default=None
            Name of the scorer; None takes the first.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **kwargs : dict
            Handed to `plot`.

        Returns
        -------
        ScoreCostDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the cost was not measured.
        """
        pandas = import_or_raise("pandas", cls.__name__, extra="compare")
        scorer = check_scorer(comparison, scorer)
        means = mean_measures(comparison)
        if cost not in means.columns:
            known = [name for name in MEASURES if name in means.columns]
            raise ValueError(
                f"cost must be one that was measured. Got {cost!r}. Write one of "
                f"{', '.join(map(repr, known))}."
            )
        verdicts = comparison.verdicts(scorer)["verdict"]
        rows = []
        for name in comparison.variants:
            role = "baseline" if name == comparison.baseline else "variant"
            verdict = "baseline" if role == "baseline" else verdicts.get(name, "pruned")
            for each in (role, *CONTROLS):
                values = [mean_of(means, name, each, column) for column in (cost, scorer)]
                if np.isfinite(values).all():
                    rows.append((name, each, *values, verdict))
        points = pandas.DataFrame(rows, columns=COLUMNS)
        return cls(points, score_name=scorer, cost_name=cost).plot(ax=ax, **kwargs)

    @classmethod
    def from_cv_results(
        cls, cv_results, *, keep=None, score=None, cost="nbytes", ax=None, **kwargs
    ):
        """Draw the candidates of a search.

        Parameters
        ----------
        cv_results : dict or fitted search
            ``cv_results_`` of GridSearchCV or RandomizedSearchCV, or the search itself.
        keep : str, default=None
            Name of the parameter; None takes the only one named ``keep``.
        score : str, default=None
            Name of the score in the results, as in ``mean_test_<score>``; None takes the
            only one that is no cost.
        cost : str, default="nbytes"
            Name of a score made by `cost_scorer`, or "fit_time" or "score_time".
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **kwargs : dict
            Handed to `plot`.

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
        points = pandas.DataFrame(rows, columns=COLUMNS)
        score = "mean test score" if score in (None, "score") else score
        return cls(points, score_name=score, cost_name=cost).plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, show_names=True):
        """Draw the points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        show_names : bool, default=True
            Whether to write the names beside the points. Where they do not fit, the
            points get numbers and the names stand beside the axes.

        Returns
        -------
        ScoreCostDisplay
            The display itself.

        Raises
        ------
        ValueError
            If no point has both a score and a positive cost.
        """
        points = self.points
        finite = np.isfinite(points[["cost", "score"]].to_numpy(dtype=float)).all(axis=1)
        points = points[finite & (points["cost"] > 0)]
        if points.empty:
            raise ValueError(
                f"A point needs a score and a positive {self.cost_name}. Got none. "
                "Choose another cost."
            )
        real = points[~points["role"].isin(list(CONTROLS))]
        size = (7.2, height_for(len(real), 4.6))
        ax = start_axes(ax, type(self).__name__, size)
        tidy_axes(ax)
        self.ax_, self.figure_ = ax, ax.figure
        self._draw_front(ax, real)
        self._draw_controls(ax, points, real)
        self._draw_points(ax, real)
        self._draw_legend(ax)
        self._set_axes(ax, points)
        self._draw_names(ax, points, real, show_names)
        return self

    def _draw_front(self, ax, real):
        self.front_ = None
        front = pareto_front(real["cost"], real["score"])
        self.front_names_ = list(real["name"].iloc[front])
        self._front_corners = real[["cost", "score"]].iloc[front].to_numpy(dtype=float)
        if len(front) > 1:
            (self.front_,) = ax.plot(
                *self._front_corners.T,
                drawstyle="steps-post",
                color=INK,
                linewidth=1.1,
                zorder=2,
            )

    def _draw_controls(self, ax, points, real):
        self.controls_, self._ties = {}, []
        at = real.set_index("name")[["cost", "score"]]
        for role, (marker, label) in CONTROLS.items():
            part = points[points["role"] == role]
            if part.empty:
                continue
            for row in part.itertuples():
                if row.name in at.index:
                    end = at.loc[row.name]
                    line = ([row.cost, end["cost"]], [row.score, end["score"]])
                    self._ties.append(np.transpose(line))
                    ax.plot(*line, color=GREY, linestyle=":", linewidth=1, zorder=1.8)
            (self.controls_[role],) = ax.plot(
                part["cost"],
                part["score"],
                linestyle="",
                marker=marker,
                markersize=6,
                markerfacecolor="white",
                markeredgecolor=GREY,
                zorder=2.5,
                label=label,
            )

    def _draw_points(self, ax, real):
        self.points_ = {}
        for verdict, style in VERDICTS.items():
            part = real[real["verdict"] == verdict]
            if len(part):
                (self.points_[verdict],) = ax.plot(
                    part["cost"],
                    part["score"],
                    linestyle="",
                    markeredgecolor="white",
                    markeredgewidth=0.8,
                    zorder=4 if verdict == "baseline" else 3,
                    label=verdict,
                    **style,
                )

    def _set_axes(self, ax, points):
        costs = points["cost"].to_numpy(dtype=float)
        ax.set_xscale("log")
        room = max((costs.max() / costs.min()) ** 0.12, 1.05)
        ax.set_xlim(costs.min() / room, costs.max() * room)
        ax.margins(y=0.12)
        ax.set_xlabel(MEASURES.get(self.cost_name, self.cost_name))
        ax.set_ylabel(self.score_name)
        self._label_costs(ax, points)

    def _label_costs(self, ax, points):
        costs = points["cost"].to_numpy(dtype=float)

        def as_text(value, _=None):
            return human_measure(self.cost_name, value)

        label_log_axis(ax.xaxis, costs, as_text)

    def _draw_legend(self, ax, *, beside=True):
        handles = [*self.points_.values(), *self.controls_.values()]
        labels = [handle.get_label() for handle in handles]
        if self.front_ is not None:
            handles.append(self.front_)
            labels.append("front: nothing is cheaper and better")
        self.legend_ = add_legend(ax, handles, labels, beside=beside)

    def _draw_names(self, ax, points, real, show_names):
        self.labels_, self.key_ = [], list(real["name"])
        if not show_names:
            return
        # The layout has to be settled before texts can be measured against it.
        ax.figure.draw_without_rendering()
        controls = points[points["role"].isin(list(CONTROLS))]
        at = [*real[["cost", "score"]].to_numpy(dtype=float)]
        at += [*controls[["cost", "score"]].to_numpy(dtype=float)]
        steps = corners_of_steps(self._front_corners)
        texts = [shorten(name, 30) for name in self.key_]
        placed = place_labels(ax, at, texts, lines=[steps], ties=self._ties)
        if placed is None:
            write_key(ax, [shorten(name, 36) for name in self.key_])
            self._draw_legend(ax, beside=False)
            self._label_costs(ax, points)
            ax.figure.draw_without_rendering()
            numbers = [str(number) for number, _ in enumerate(self.key_, 1)]
            placed = place_labels(ax, at, numbers, lines=[steps])
            placed = placed or place_labels(ax, at, numbers)
        self.labels_ = placed or []
