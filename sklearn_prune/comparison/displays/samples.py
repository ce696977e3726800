"""Draw the scores of kept and dropped rows by class, and the rows dropped first."""

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_prune._docs import entries, fill
from sklearn_prune._drawing import INK, literal, start_axes, tidy_axes
from sklearn_prune._meta import find_subset
from sklearn_prune.comparison.displays.common import DISPLAY
from sklearn_prune.comparison.displays.draw_rows import (
    draw_gallery,
    draw_strip,
    is_numeric_target,
    make_edges,
    make_strips,
    naming,
)

ROWS = entries("""
    y : array-like of shape (n_samples,), default=None
        Their targets.
    names : dict or sequence, default=None
        Names of the classes.
""")


@fill(DISPLAY, ROWS)
class SampleScoreDisplay:
    """Scores of kept and dropped rows by class, and a gallery of those dropped first.

    It is best made by `from_estimator`, `from_comparison` or `from_cv_results`.

    Parameters
    ----------
    scores : array-like of shape (n_samples,)
        Larger is more worth keeping; NaN for rows that have none.
    kept : array-like of shape (n_samples,), bool
        Whether a row was kept.
    y : array-like of shape (n_samples,), default=None
        Classes, or a numeric target, which is shown in quarters.
    X : array-like of shape (n_samples, ...), default=None
        Rows, for the gallery.
    score_name : str, default="score"
        What the scores are.
    names : dict or sequence, default=None
        Names of the classes: a dict from class to name, or one name for each class in
        sorted order.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the distributions, or the first axes of the gallery.
    {figure_}
    classes_ : list
        What the strips show, from the top.
    kept_ : list of matplotlib artists
        Kept rows, one for each strip.
    dropped_ : list of matplotlib artists
        Dropped rows, one for each strip.
    axes_ : ndarray of matplotlib Axes
        Axes of the gallery.
    gallery_indices_ : ndarray of int
        Positions of the rows in the gallery.
    table_ : matplotlib Table or None
        The table of the gallery, where its rows are no images.

    See Also
    --------
    PruningCurveDisplay : Score over `keep`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from sklearn_prune import SampleSubsetClassifier
    >>> from sklearn_prune.comparison import SampleScoreDisplay
    >>> from sklearn_prune.sample_selection import L2PenaltySelector
    >>> X, y = load_digits(return_X_y=True)
    >>> subset = SampleSubsetClassifier(RidgeClassifier(), L2PenaltySelector()).fit(X, y)
    >>> display = SampleScoreDisplay.from_estimator(subset, X, y)
    >>> len(display.classes_)
    10
    """

    def __init__(self, scores, kept, y=None, *, X=None, score_name="score", names=None):
        self.scores = scores
        self.kept = kept
        self.y = y
        self.X = X
        self.score_name = score_name
        self.names = names

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, names=None, ax=None, **kwargs):
        """Draw the rows that a fitted SampleSubset meta-estimator kept and dropped.

        Parameters
        ----------
        estimator : fitted SampleSubset meta-estimator, Pipeline or search
            A Pipeline, also that of imbalanced-learn, holds one, with no other sampler
            before it. Of a search the best estimator counts.
        X : array-like of shape (n_samples, ...)
            The rows that it was fitted on, before any earlier step of the Pipeline.
        {y, names, ax, **kwargs}

        Returns
        -------
        SampleScoreDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If nothing was ranked, or if X has another number of rows.
        TypeError
            If the estimator does not choose rows.
        """
        subset, _ = find_subset(estimator, cls.__name__)
        check_is_fitted(subset, "sample_indices_")
        mask, scores, name = _scores_of(subset)
        _check_rows(X, len(mask))
        return cls(scores, mask, y, X=X, score_name=name, names=names).plot(ax=ax, **kwargs)

    @classmethod
    def from_comparison(
        cls, comparison, variant, X, y=None, *, names=None, ax=None, **kwargs
    ):
        """Draw how often each row was kept by a variant of a comparison.

        Parameters
        ----------
        {comparison}
        variant : str
            Name of a variant that drops rows.
        X : array-like of shape (n_samples, ...)
            The rows that were compared on.
        {y, names, ax, **kwargs}

        Returns
        -------
        SampleScoreDisplay
            The display, drawn. The score of a row is the share of the folds that
            trained on it and kept it; from one half on it counts as kept.

        Raises
        ------
        ValueError
            If the variant drops no rows.
        """
        if variant not in comparison.variants:
            raise ValueError(
                f"variant must be one of those compared. Got {variant!r}. "
                f"Write one of {list(comparison.variants)}."
            )
        kept = comparison.kept(variant)
        rows = kept[kept["unit"] == "row"] if len(kept) else kept
        if not len(rows):
            raise ValueError(
                f"variant must be one that drops rows. Got {variant!r}, which does not. "
                "Write the name of a SampleSubset variant."
            )
        n = len(y) if y is not None else _count_rows(X)
        scores = np.full(n, np.nan)
        scores[rows["id"].to_numpy(dtype=int)] = rows["frequency"]
        display = cls(
            scores,
            scores >= 0.5,
            y,
            X=X,
            score_name="share of folds that kept the row",
            names=names,
        )
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_cv_results(cls, search, X, y=None, *, names=None, ax=None, **kwargs):
        """Draw the rows that the best estimator of a fitted search kept and dropped.

        Parameters
        ----------
        search : fitted GridSearchCV or RandomizedSearchCV
            With ``refit``, so that there is a best estimator.
        X : array-like of shape (n_samples, ...)
            The rows that it was fitted on.
        {y, names, ax, **kwargs}

        Returns
        -------
        SampleScoreDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the search holds no best estimator.
        """
        best = getattr(search, "best_estimator_", None)
        if best is None:
            raise ValueError(
                "The search must hold a best estimator. Got "
                f"{type(search).__name__} without best_estimator_. "
                "Write refit=True and call fit."
            )
        return cls.from_estimator(best, X, y, names=names, ax=ax, **kwargs)

    def plot(self, ax=None, *, bins=30, max_strips=20):
        """Draw a strip for each class: kept rows upwards, dropped rows downwards.

        Parameters
        ----------
        {ax}
        bins : int, default=30
            Number of bins over the range of scores.
        max_strips : int, default=20
            Largest number of strips. Of more classes, those that lost the largest share
            of their rows are shown and the others pooled in the last strip.

        Returns
        -------
        SampleScoreDisplay
            The display itself.

        Raises
        ------
        ValueError
            If no row has a score.
        """
        scores, kept = np.asarray(self.scores, dtype=float), np.asarray(self.kept, bool)
        known = ~np.isnan(scores)
        if not known.any():
            raise ValueError("scores must hold a number. Got none but NaN.")
        strips = make_strips(self.y, kept, known, self.names, max_strips)
        self.classes_ = [name for name, _ in strips]
        height = 1.2 + max(0.34, min(0.9, 5.5 / len(strips))) * len(strips)
        ax = start_axes(ax, type(self).__name__, (6.8, height))
        tidy_axes(ax)
        self.ax_, self.figure_ = ax, ax.figure
        edges, pooled = make_edges(scores[known], bins)
        inside = np.clip(scores, edges[0], edges[-1])
        self.kept_, self.dropped_ = [], []
        for place, (_, rows) in enumerate(strips):
            counts = [
                np.histogram(inside[rows & known & chosen], edges)[0]
                for chosen in (kept, ~kept)
            ]
            up, down = draw_strip(ax, -place, counts, edges)
            self.kept_.append(up)
            self.dropped_.append(down)
            ax.text(
                1.01,
                -place,
                f"{(rows & known & kept).sum():,} of {(rows & known).sum():,}",
                transform=ax.get_yaxis_transform(),
                va="center",
                fontsize="small",
                color=INK,
            )
        ax.set_ylim(-len(strips) + 0.4, 0.7)
        ax.set_yticks(-np.arange(len(strips)), self.classes_, fontsize="small")
        for label in ax.get_yticklabels():
            literal(label)
        ax.grid(visible=False, axis="y")
        ax.tick_params(axis="y", length=0)
        note = " (outermost bins hold all beyond)" if pooled else ""
        ax.set_xlabel(f"{self.score_name}, higher is more worth keeping{note}")
        ax.text(1.01, 0.62, "kept", transform=ax.get_yaxis_transform(), fontsize="small")
        self.legend_ = ax.legend(
            [self.kept_[0], self.dropped_[0]],
            [f"kept ({(kept & known).sum():,})", f"dropped ({(~kept & known).sum():,})"],
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=2,
            frameon=False,
            fontsize="small",
        )
        return self

    def plot_gallery(
        self, n=24, *, image_shape=None, axes=None, names=None, feature_names=None
    ):
        """Draw the rows that were dropped first: those with the lowest scores.

        Rows are images where `image_shape` is given. Otherwise they are lines of a table,
        with the features in which they are furthest from the mean of their class.

        Parameters
        ----------
        n : int, default=24
            Number of rows, at most.
        image_shape : tuple of int, default=None
            (height, width), (height, width, 3) or (3, height, width).
        axes : array of matplotlib Axes, default=None
            At least n of them for images, one for a table; None makes new ones.
        names : dict or sequence, default=None
            Names of the classes; None takes those of the display.
        feature_names : sequence of str, default=None
            Names of the columns; None takes those of a frame.

        Returns
        -------
        SampleScoreDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the display holds no X, if no row was dropped, or if `image_shape` does
            not fit.
        """
        if self.X is None:
            raise ValueError("The gallery needs the rows. Got X=None. Write X=X.")
        scores, kept = np.asarray(self.scores, dtype=float), np.asarray(self.kept, bool)
        dropped = np.flatnonzero(~kept & ~np.isnan(scores))
        if not len(dropped):
            raise ValueError("The gallery shows dropped rows. Got none. Lower keep.")
        chosen = dropped[np.argsort(scores[dropped], kind="stable")][:n]
        labels = None
        if self.y is not None:
            names = self.names if names is None else names
            name_of = naming(self.y, names)
            labels = [name_of(value) for value in np.asarray(self.y)[chosen]]
        self.gallery_indices_ = chosen
        self.axes_, self.table_ = draw_gallery(
            self.X,
            chosen,
            labels,
            scores[chosen],
            y=None if self.y is None or is_numeric_target(self.y) else self.y,
            image_shape=image_shape,
            axes=axes,
            feature_names=feature_names,
            score_name=self.score_name,
        )
        self.ax_, self.figure_ = self.axes_[0], self.axes_[0].figure
        return self


def _scores_of(subset):
    if subset.selector_ is None:
        raise ValueError(
            f"The estimator must have ranked rows. Got keep={subset.keep!r}, which ranks "
            "nothing. Write a smaller keep."
        )
    selector = subset.selector_
    while isinstance(selector, Pipeline):
        selector = selector.steps[-1][1]
    mask, name = subset.sample_mask_, type(selector).__name__
    if subset.sample_scores_ is not None:
        return mask, np.asarray(subset.sample_scores_, dtype=float), f"score of {name}"
    place = np.empty(len(mask))
    place[selector.order_] = np.arange(len(mask), 0, -1)
    return mask, place, f"place from the end in the order of {name}"


def _count_rows(X):
    return X.shape[0] if hasattr(X, "shape") else len(X)


def _check_rows(X, n):
    if _count_rows(X) != n:
        raise ValueError(
            f"X must hold the {n} rows that the estimator was fitted on. "
            f"Got {_count_rows(X)}. Pass the training rows."
        )
