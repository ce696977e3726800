"""Which predictions a pruned model changes: shares with bounds, by class and by group."""

from html import escape
from math import isfinite, nan
from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy.stats import beta
from sklearn.base import is_regressor
from sklearn.metrics import brier_score_loss, mean_squared_error, r2_score

from sklearn_prune._drawing import UNKNOWN, human_number, shorten
from sklearn_prune._lazy import import_or_raise
from sklearn_prune._sklearn_compat import count_rows
from sklearn_prune._validation import check_groups
from sklearn_prune.weight_pruning import log_scores

_LINES_SHOWN = 40
_TITLES = {
    "all": "all rows",
    "sure": "sure before",
    "unsure": "not sure before",
    "class": "predicted before:",
    "group": "group",
}


class ChurnLine(NamedTuple):
    """Changed predictions among some of the rows.

    Parameters
    ----------
    part : {"all", "sure", "unsure", "class", "group"}
        What the rows have in common.
    value : object
        The class that the full model predicts, or the group; None for other parts.
    n_rows, n_changed : int
        Number of rows, and of those whose prediction changes.
    at_most : float
        Upper confidence bound of the share of changed predictions.
    of_refits : float
        Share that the full model changes with another seed; NaN if there is no refit.
    accuracy_before, accuracy_after : float
        Share of right predictions of the full and of the pruned model; NaN without y, and
        for regressors.
    """

    part: str
    value: object
    n_rows: int
    n_changed: int
    at_most: float
    of_refits: float = nan
    accuracy_before: float = nan
    accuracy_after: float = nan

    @property
    def share(self):
        """Share of the rows whose prediction changes."""
        return self.n_changed / self.n_rows

    @property
    def title(self):
        """The rows in words."""
        title = _TITLES[self.part]
        return title if self.value is None else f"{title} {shorten(self.value, 60)}"


def churn_report(
    pruned,
    full,
    X,
    y=None,
    groups=None,
    *,
    refits=(),
    sure=0.6,
    tolerance=None,
    alpha=0.05,
    simultaneous=True,
):
    """Count the predictions that pruning changes, with upper bounds for new rows.

    The bound of a share is the one-sided one of Clopper and Pearson [1]_. By default all
    lines of the table hold at once with probability ``1 - alpha``: each bound is at the
    level ``alpha`` divided by their number.

    Parameters
    ----------
    pruned, full : fitted estimator or predictor
        The pruned model and the one that it replaces, with `predict` for the same rows.
    X : array-like of shape (n_samples, n_features)
        Rows that neither model was fitted on, nor chosen by. The bounds are for rows of
        their distribution.
    y : array-like of shape (n_samples,), default=None
        Targets, for scores before and after.
    groups : array-like of shape (n_samples,), default=None
        A group for each row; each has a line of its own.
    refits : estimator or sequence of estimators, default=()
        The full model fitted again with other seeds. What these change is the yardstick.
    sure : float, default=0.6
        A prediction of the full model counts as sure if its probability exceeds those of
        the other classes by more than this.
    tolerance : float, default=None
        For regressors, which need it: a prediction changes if it moves by more than this,
        in units of y.
    alpha : float, default=0.05
        Probability that a bound is too low.
    simultaneous : bool, default=True
        Whether `alpha` is for all lines at once, instead of for each alone.

    Returns
    -------
    ChurnReport
        Its ``frame()`` is the table, ``changes()`` lists the changed rows.

    Raises
    ------
    ValueError
        If predictions, targets or groups do not fit the rows, if `tolerance` is missing for
        regressors or given for classifiers, or if an argument is out of its range.

    See Also
    --------
    ChurnDisplay : Draws the report.
    sklearn_prune.compare_pruning : The same over folds, with verdicts by a score.

    Notes
    -----
    Groups are given in advance, classes and sureness by the full model. Rows of a line are
    then independent, as the bound assumes, if the rows of X are.

    References
    ----------
    .. [1] Clopper, Pearson (1934). The use of confidence or fiducial limits illustrated in
       the case of the binomial. Biometrika 26.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.inspection import churn_report
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    >>> full = RandomForestClassifier(random_state=0).fit(X, y)
    >>> pruned = PrunedClassifier(full, keep=0.1, random_state=0).fit(X, y)
    >>> report = churn_report(pruned, full, X_test, y_test)
    >>> report.share <= report.at_most < 0.2
    True
    """
    refits = refits if isinstance(refits, list | tuple) else (refits,)
    numeric = is_regressor(full)
    before, after, *again = (
        np.asarray(model.predict(X)) for model in (full, pruned, *refits)
    )
    probabilities = None
    if not numeric and all(hasattr(model, "predict_proba") for model in (full, pruned)):
        probabilities = [_probabilities(model, X) for model in (full, pruned)]
        if any(one is None for one in probabilities):
            probabilities = None
    for name, found in {"pruned": after, "refits": again}.items():
        for one in found if name == "refits" else [found]:
            if one.shape != before.shape:
                raise ValueError(
                    f"{name} must predict what full predicts. Got shape {one.shape}, and "
                    f"{before.shape} of full. Pass models of the same targets."
                )
    check_churn_options(sure, alpha, tolerance, numeric)
    margins = margins_after = None
    if probabilities is not None:
        margins, margins_after = (margins_of(*one, before) for one in probabilities)
    n_rows = count_rows(X)
    if y is not None and len(np.asarray(y)) != n_rows:
        raise ValueError(
            f"y must hold a target for each row. Got {len(np.asarray(y))} for {n_rows} "
            "rows. Pass the targets of the rows of X."
        )
    if groups is not None:
        check_groups(groups, n_rows)
    return ChurnReport(
        before,
        after,
        again=again,
        margins=margins,
        margins_after=margins_after,
        y=y,
        groups=groups,
        sure=sure,
        tolerance=tolerance if numeric else None,
        alpha=alpha,
        simultaneous=simultaneous,
        scores=None if y is None else _scores(before, after, probabilities, y, numeric),
    )


class ChurnReport:
    """Changed predictions of a pruned model, made by `churn_report`.

    Parameters
    ----------
    before, after : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Predictions of the full and of the pruned model.
    again : sequence of ndarray, default=()
        Predictions of the full model with other seeds.
    margins, margins_after : ndarray of shape (n_samples,), default=None
        Of the class that the full model predicts: its probability minus the largest one of
        another class, by the full and by the pruned model.
    y, groups : array-like of shape (n_samples,), default=None
        Targets and groups.
    sure, tolerance, alpha, simultaneous : object
        As in `churn_report`.
    scores : dict of str to (float, float), default=None
        Scores before and after.

    Attributes
    ----------
    lines : list of ChurnLine
        Changes among all rows, those that the full model is sure of and not sure of, of
        each class and each group.
    changed : ndarray of bool, shape (n_samples,)
        Which predictions change.
    share, at_most : float
        Share of all predictions that change, and its upper bound.
    alpha : float
        Probability that a bound is too low, of all lines at once if `simultaneous`.
    scores : dict of str to (float, float)
        Scores before and after pruning: of classifiers "accuracy", and with probabilities
        "Brier score" and "log loss"; of regressors "mean squared error" and "R2". Empty
        without y.

    See Also
    --------
    churn_report : Makes one.
    ChurnDisplay : Draws one.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_prune.inspection import ChurnReport
    >>> before = np.array(["cat"] * 50 + ["dog"] * 50)
    >>> after = np.where(np.arange(100) < 3, "dog", before)
    >>> report = ChurnReport(before, after)
    >>> report.share
    0.03
    >>> print(report)
                           rows  changed  share  at most
    all rows                100        3  3.0 %    9.0 %
    predicted before: cat    50        3  6.0 %   17.5 %
    predicted before: dog    50        0  0.0 %    7.9 %
    Bounds hold for all 3 lines at once with probability 95 %.
    """

    def __init__(
        self,
        before,
        after,
        *,
        again=(),
        margins=None,
        margins_after=None,
        y=None,
        groups=None,
        sure=0.6,
        tolerance=None,
        alpha=0.05,
        simultaneous=True,
        scores=None,
    ):
        self.before, self.after = np.asarray(before), np.asarray(after)
        self.margins, self.margins_after = margins, margins_after
        self.y = None if y is None else np.asarray(y)
        self.groups = None if groups is None else np.asarray(groups).ravel()
        self.sure, self.tolerance = sure, tolerance
        self.alpha, self.simultaneous = alpha, simultaneous
        self.scores = scores or {}
        self.changed = self._differs(self.after, self.before)
        self._of_refits = [self._differs(np.asarray(one), self.before) for one in again]
        self.lines = self._lines()
        self.share, self.at_most = self.lines[0].share, self.lines[0].at_most

    def _differs(self, predictions, reference):
        if self.tolerance is not None:
            moved = np.abs(predictions - reference.astype(np.float64)) > self.tolerance
        else:
            moved = predictions != reference
        return moved.reshape(len(reference), -1).any(axis=1)

    def _parts(self):
        """Part, value and mask of the rows of each line that has rows."""
        yield "all", None, np.ones(len(self.before), dtype=bool)
        if self.margins is not None:
            yield "sure", None, self.margins > self.sure
            yield "unsure", None, self.margins <= self.sure
        if self.tolerance is None and self.before.ndim == 1:
            for label in np.unique(self.before):
                yield "class", label, self.before == label
        if self.groups is not None:
            for group in np.unique(self.groups):
                yield "group", group, self.groups == group

    def _lines(self):
        parts = [(*names, rows) for *names, rows in self._parts() if rows.any()]
        alpha = self.alpha / len(parts) if self.simultaneous else self.alpha
        right = None
        if self.y is not None and self.tolerance is None:
            right = [
                (found == self.y.reshape(found.shape)).reshape(len(found), -1).all(axis=1)
                for found in (self.before, self.after)
            ]
        lines = []
        for part, value, rows in parts:
            n_rows, n_changed = int(rows.sum()), int(self.changed[rows].sum())
            of_refits = [changed[rows].mean() for changed in self._of_refits]
            accuracies = (
                [nan, nan] if right is None else [one[rows].mean() for one in right]
            )
            lines.append(
                ChurnLine(
                    part,
                    value.item() if isinstance(value, np.generic) else value,
                    n_rows,
                    n_changed,
                    upper_bound(n_changed, n_rows, alpha),
                    float(np.mean(of_refits)) if of_refits else nan,
                    *map(float, accuracies),
                )
            )
        return lines

    def frame(self):
        """The table of all lines.

        Returns
        -------
        pandas.DataFrame
            `part` ("all", "sure", "unsure", "class", "group"), `value` (of the class or the
            group), `rows`, `changed`, `share`, `at_most`; `of_refits` (share that other
            seeds change) where there are refits; with y, of classifiers,
            `accuracy_before` and `accuracy_after`.
        """
        pandas = import_or_raise("pandas", "ChurnReport.frame", extra="compare")
        columns = {
            "part": [line.part for line in self.lines],
            "value": [line.value for line in self.lines],
            "rows": [line.n_rows for line in self.lines],
            "changed": [line.n_changed for line in self.lines],
            "share": [line.share for line in self.lines],
            "at_most": [line.at_most for line in self.lines],
        }
        for name in ("of_refits", "accuracy_before", "accuracy_after"):
            if isfinite(getattr(self.lines[0], name)):
                columns[name] = [getattr(line, name) for line in self.lines]
        return pandas.DataFrame(columns)

    def changes(self, n=None):
        """The rows whose prediction changes, those that the full model was surest of first.

        Parameters
        ----------
        n : int or None, default=None
            Number of rows; None lists all.

        Returns
        -------
        pandas.DataFrame
            Indexed by the position of the row in X: `before`, `after` (of several outputs,
            tuples), `margin` of the full model where it has probabilities, `y` where it is
            given. Rows of a regressor, and of classifiers without probabilities, come in
            the order of the largest move, or of X.
        """
        pandas = import_or_raise("pandas", "ChurnReport.changes", extra="compare")
        rows = np.flatnonzero(self.changed)
        if self.margins is not None:
            rows = rows[np.argsort(-self.margins[rows], kind="stable")]
        elif self.tolerance is not None:
            moved = np.abs(self.after - self.before.astype(np.float64))
            moved = moved.reshape(len(moved), -1).max(axis=1)
            rows = rows[np.argsort(-moved[rows], kind="stable")]
        rows = rows[:n]
        columns = {"before": self.before, "after": self.after}
        if self.margins is not None:
            columns["margin"] = self.margins
        if self.y is not None:
            columns["y"] = self.y
        columns = {
            name: list(map(tuple, values[rows])) if values.ndim > 1 else values[rows]
            for name, values in columns.items()
        }
        return pandas.DataFrame(columns, index=rows)

    def _table(self):
        """Headings and cells of the table as texts, the first column the rows in words."""
        heads = ["", "rows", "changed", "share", "at most"]
        has_refits = isfinite(self.lines[0].of_refits)
        has_accuracy = isfinite(self.lines[0].accuracy_before)
        heads += ["other seed"] if has_refits else []
        heads += ["accuracy before", "after"] if has_accuracy else []
        shown = shown_lines(self.lines)
        cells = []
        for line in shown:
            row = [line.title, f"{line.n_rows:,}", f"{line.n_changed:,}"]
            row += [_percent(line.share), _percent(line.at_most)]
            row += [_percent(line.of_refits)] if has_refits else []
            if has_accuracy:
                row += [_percent(line.accuracy_before), _percent(line.accuracy_after)]
            cells.append(row)
        return heads, cells

    def _notes(self):
        """Sentences below the table."""
        n_lines, level = len(self.lines), human_number(100 * (1 - self.alpha))
        held = f"for all {n_lines} lines at once" if self.simultaneous else "for each line"
        found = [f"Bounds hold {held} with probability {level} %."]
        if n_lines > _LINES_SHOWN:
            found.append(f"The {_LINES_SHOWN} lines with the largest bounds are shown.")
        if self.margins is not None:
            found.append(
                "Sure: the probability of the predicted class exceeds the others by more "
                f"than {human_number(self.sure)}."
            )
        if self.tolerance is not None:
            found.append(
                "Changed: the prediction moves by more than "
                f"{human_number(self.tolerance)}."
            )
        for name, (before, after) in self.scores.items():
            found.append(
                f"{name}: {human_number(before)} before, {human_number(after)} after."
            )
        return found

    def __repr__(self):
        heads, cells = self._table()
        rows = [heads, *cells]
        widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
        lines = [
            "  ".join(
                cell.rjust(width) if place else cell.ljust(width)
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, *self._notes()])

    def _repr_html_(self):
        heads, cells = self._table()
        style = 'style="text-align:right;white-space:nowrap"'
        head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
        body = "".join(
            f'<tr><th scope="row" style="text-align:left"><bdi>{escape(title)}</bdi></th>'
            + "".join(f"<td {style}>{escape(text)}</td>" for text in rest)
            + "</tr>"
            for title, *rest in cells
        )
        notes = "".join(f"<p>{escape(text)}</p>" for text in self._notes())
        return (
            '<div class="sklearn-prune-churn"><div style="overflow-x:auto"><table>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{notes}</div>"
        )


def upper_bound(n_changed, n_rows, alpha):
    """One-sided upper bound of a share at level 1 - alpha (Clopper, Pearson 1934)."""
    if n_changed >= n_rows:
        return 1.0
    return float(beta.ppf(1 - alpha, n_changed + 1, n_rows - n_changed))


def margins_of(probabilities, classes, labels):
    """Probability of each label minus the largest one of another class, 1 for one class."""
    if len(classes) < 2:
        return np.ones(len(probabilities))
    place = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    rest, rows = np.array(probabilities, dtype=np.float64), np.arange(len(place))
    own = np.where(classes[place] == labels, rest[rows, place], 0.0)
    rest[rows, place] = -np.inf
    return own - rest.max(axis=1)


def _probabilities(model, X):
    """Class probabilities and classes, in the order of the classes; None for outputs."""
    found = model.predict_proba(X)
    if not isinstance(found, np.ndarray) or found.ndim != 2 or np.ndim(model.classes_) != 1:
        return None
    classes = np.asarray(model.classes_)
    order = np.argsort(classes)
    return found[:, order], classes[order]


def _scores(before, after, probabilities, y, numeric):
    """Scores of the full and of the pruned model, by name."""
    y = np.asarray(y).reshape(before.shape)
    if numeric:
        functions = {"mean squared error": mean_squared_error, "R2": r2_score}
        return {
            name: (float(function(y, before)), float(function(y, after)))
            for name, function in functions.items()
        }
    found = {
        "accuracy": tuple(
            float((one == y).reshape(len(y), -1).all(axis=1).mean())
            for one in (before, after)
        )
    }
    if probabilities is not None:
        found["Brier score"] = tuple(float(_brier(y, *one)) for one in probabilities)
        found["log loss"] = tuple(
            -float(log_scores(proba, classes, y).mean()) for proba, classes in probabilities
        )
    return found


def _brier(y, proba, classes):
    """Mean squared error of the probabilities, of two classes that of the second one."""
    if len(classes) < 2 or not np.isin(y, classes).all():
        return nan
    proba = proba / proba.sum(axis=1, keepdims=True)
    return brier_score_loss(y, proba, labels=classes, scale_by_half="auto")


def check_churn_options(sure, alpha, tolerance, numeric):
    """Raise ValueError unless the numbers are in their ranges."""
    for name, value, low in (("sure", sure, 0.0), ("alpha", alpha, 1e-12)):
        if not (isinstance(value, Real) and low <= value < 1):
            raise ValueError(
                f"{name} must be a number in [0, 1). Got {value!r}. Write "
                f"{name}={0.6 if name == 'sure' else 0.05}."
            )
    if numeric and not (isinstance(tolerance, Real) and tolerance >= 0):
        raise ValueError(
            "tolerance must be a number >= 0 for regressors: how far a prediction may move "
            f"and count as the same. Got {tolerance!r}. Write tolerance=1.0, in units of y."
        )
    if not numeric and tolerance is not None:
        raise ValueError(
            "tolerance is for regressors; labels of classifiers are the same or not. Got "
            f"{tolerance!r}. Leave it out."
        )


def shown_lines(lines):
    """The lines for a reader: all, or those with the largest bounds of very many."""
    if len(lines) <= _LINES_SHOWN:
        return lines
    first = [line for line in lines if line.value is None]
    rest = sorted(
        (line for line in lines if line.value is not None),
        key=lambda line: line.at_most,
        reverse=True,
    )
    return [*first, *rest[: _LINES_SHOWN - len(first)]]


def _percent(share):
    return f"{100 * share:.1f} %" if isfinite(share) else UNKNOWN
