"""Draw how many predictions changed, and with which margins."""

import numpy as np

from sklearn_prune._drawing import (
    COLORS,
    GREY,
    INK,
    height_for,
    literal,
    shorten,
    start_axes,
    tidy_axes,
)
from sklearn_prune.inspection._churn import churn_report, shown_lines


class ChurnDisplay:
    """Shares of changed predictions with their upper bounds.

    It is best made by `from_estimators`.

    Parameters
    ----------
    report : ChurnReport
        What to draw.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the shares.
    figure_ : matplotlib Figure
        Figure of `ax_`.
    shares_ : matplotlib Line2D
        The shares, the first line of the table at the top.
    bounds_ : matplotlib LineCollection
        Lines from the shares to their upper bounds.
    refits_ : matplotlib Line2D or None
        The shares that other seeds change.

    See Also
    --------
    churn_report : Computes what is drawn.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_prune.inspection import ChurnDisplay, ChurnReport
    >>> before = np.array(["cat"] * 50 + ["dog"] * 50)
    >>> after = np.where(np.arange(100) < 3, "dog", before)
    >>> display = ChurnDisplay(ChurnReport(before, after)).plot()
    >>> display.ax_.get_xlabel()
    'changed predictions (%), and 95 % bound'
    """

    def __init__(self, report):
        self.report = report

    @classmethod
    def from_estimators(cls, pruned, full, X, *, ax=None, **options):
        """Compute a report and draw it.

        Parameters
        ----------
        pruned, full : fitted estimator or predictor
            The pruned model and the one that it replaces.
        X : array-like of shape (n_samples, n_features)
            Rows that neither model was fitted on.
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.
        **options : dict
            Arguments of `churn_report`, such as `groups`.

        Returns
        -------
        ChurnDisplay
            The display, drawn.
        """
        return cls(churn_report(pruned, full, X, **options)).plot(ax=ax)

    def plot(self, ax=None):
        """Draw a mark for the share of each line, and a line to its bound.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        ChurnDisplay
            The display itself.
        """
        lines = shown_lines(self.report.lines)
        height = height_for(2 * len(lines), 2.4)
        ax = start_axes(ax, type(self).__name__, (6.8, height))
        tidy_axes(ax)
        places = -np.arange(len(lines))
        shares = np.array([100 * line.share for line in lines])
        bounds = np.array([100 * line.at_most for line in lines])
        self.bounds_ = ax.hlines(places, shares, bounds, color=COLORS[0], linewidth=2)
        (self.shares_,) = ax.plot(shares, places, "o", color=COLORS[0], label="pruned")
        of_refits = np.array([100 * line.of_refits for line in lines])
        self.refits_ = None
        if np.isfinite(of_refits).any():
            (self.refits_,) = ax.plot(
                of_refits, places, "|", color=INK, markersize=12, label="another seed"
            )
            ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)
        names = [f"{shorten(line.title, 44)} ({line.n_rows:,})" for line in lines]
        ax.set_yticks(places, names, fontsize="small")
        for label in ax.get_yticklabels():
            literal(label)
        ax.set_xlim(left=0)
        ax.set_xlabel(
            f"changed predictions (%), and {100 * (1 - self.report.alpha):g} % bound"
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self

    def plot_margins(self, ax=None):
        """Draw the margin of each prediction, changed ones in another colour.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None makes new ones.

        Returns
        -------
        ChurnDisplay
            The display itself.

        Raises
        ------
        ValueError
            If the models have no probabilities.
        """
        margins, after = self.report.margins, self.report.margins_after
        if margins is None or after is None:
            raise ValueError(
                "plot_margins needs models with probabilities. Got none. Write plot()."
            )
        ax = start_axes(ax, type(self).__name__, (5.2, 4.8))
        tidy_axes(ax)
        changed = self.report.changed
        ax.axvspan(self.report.sure, 1, color=GREY, alpha=0.12, linewidth=0)
        for rows, color, name in (
            (~changed, COLORS[0], "same"),
            (changed, COLORS[2], "changed"),
        ):
            label = f"{name} ({rows.sum():,})"
            ax.plot(margins[rows], after[rows], ".", color=color, markersize=4, label=label)
        ax.axhline(0, color=INK, linewidth=0.8)
        ax.set_xlabel("margin of the full model (grey: sure)")
        ax.set_ylabel("margin of the same class after pruning")
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self
