"""A model of trees as a table of rules: what it asks, and what each answer adds."""

from pathlib import Path

import numpy as np
from scipy.sparse import issparse

from sklearn_prune._atomic import written_whole
from sklearn_prune._lazy import import_or_raise
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune._validation import canonical
from sklearn_prune.inspection.rule_text import ConditionTexts, fragment, page, text
from sklearn_prune.models.trees import Interval, RuleSet, extract_rules, is_additive
from sklearn_prune.predictors import (
    CompactColumns,
    CompactForestClassifier,
    CompactPipeline,
    names_of,
)
from sklearn_prune.weight_pruning import compact_form

_POINTS = (*range(1, 201), *(2**power for power in range(8, 31)))  # of the largest number


def rules(model, X, y=None, *, feature_names=None):
    """The rules of a model of trees, which add up to its score.

    A rule is a set of conditions on features, with a number that it adds to the score of
    each row for which all of them hold. Conditions of a rule on one feature are merged
    into an interval, and rules of equal conditions are one. The score of a row is an
    intercept plus the numbers of the rules that hold.

    Parameters
    ----------
    model : estimator
        Fitted: a tree, a forest, bagged trees or boosting (of scikit-learn, LightGBM or
        XGBoost), pruned or not, its predictor, or a Pipeline that ends with one. Rules
        are then about the columns that the last step reads.
    X : array-like of shape (n_samples, n_features)
        Rows on which the rules are counted, in the form that `model` reads.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Their targets. With them the table has the mean target of the rows of each rule.
    feature_names : sequence of str, default=None
        Names of the columns that the trees read. None takes those of the fit, else "x0",
        "x1" and so on.

    Returns
    -------
    RuleTable
        The rules, those first that change the scores of X most.

    Raises
    ------
    TypeError
        If the model is not made of trees whose outputs are added.
    ValueError
        If X, y or `feature_names` do not fit the model.
    sklearn.exceptions.NotFittedError
        If the model is not fitted.

    See Also
    --------
    sklearn_prune.StableRulesClassifier : A model of few rules.
    sklearn_prune.PrunedClassifier : Makes a model of trees smaller.

    Notes
    -----
    Of a tree with n leaves, n - 1 are rules: the most frequent one goes into the
    intercept. Cost: O(n_leaves * depth), in Python: seconds for 100,000 leaves.

    Conditions name missing values only for columns of X that have some.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_prune.inspection import rules
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> table = rules(DecisionTreeClassifier(max_leaf_nodes=3).fit(X, y), X, y)
    >>> table.frame()["rule"].tolist()
    ['worst radius > 16.8', 'worst radius <= 16.8 and worst concave points > 0.1358']
    """
    compact = compact_form(model, "rules")
    wrappers = []
    while isinstance(compact, CompactPipeline | CompactColumns):
        wrappers.append(compact)
        compact = compact._inner
    if not is_additive(compact):
        raise TypeError(
            "rules takes a tree, a forest, bagged trees or boosting, or a Pipeline that "
            f"ends with one. Got {type(model).__name__}, whose predictor is "
            f"{type(compact).__name__}. Pass the model of trees inside it."
        )
    names = _names(model, wrappers, compact, X, feature_names)
    return RuleTable(compact, wrappers, names, X, y)


def _names(model, wrappers, compact, X, given):
    """Names of the columns that the trees read."""
    n_features = compact.n_features_in_
    if given is not None:
        if len(given) != n_features:
            raise InvalidParameterError(
                f"feature_names must name the {n_features} columns that the trees read. "
                f"Got {len(given)} names. Pass one for each column."
            )
        return [str(name) for name in given]
    if hasattr(compact, "feature_names_in_"):
        return [str(name) for name in compact.feature_names_in_]
    before = getattr(model, "feature_names_in_", None)
    if before is None and hasattr(X, "columns"):
        before = names_of(X)
    pipeline = getattr(model, "estimator", model)
    if hasattr(pipeline, "steps") and hasattr(model, "steps"):
        try:
            return [str(name) for name in model[:-1].get_feature_names_out(before)]
        except (AttributeError, ValueError):  # a step makes columns without names
            before = None
    for wrapper in wrappers:
        if isinstance(wrapper, CompactColumns) and before is not None:
            before = np.asarray(before, dtype=object)[wrapper.columns_]
        elif isinstance(wrapper, CompactColumns):
            before = [f"x{column}" for column in wrapper.columns_]
        elif wrapper.steps_:
            before = None
    if before is not None and len(before) == n_features:
        return [str(name) for name in before]
    return [f"x{column}" for column in range(n_features)]


class RuleTable:
    """The rules of a model of trees; `rules` makes one.

    Printed, it is a text that says how to read it; a notebook shows it as a table.

    Parameters
    ----------
    compact : Compact
        A predictor of trees.
    wrappers : list of Compact
        What prepares the rows for it, the first one first.
    names : list of str
        Names of the columns that the trees read.
    X : array-like of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), or None
        Their targets.

    Attributes
    ----------
    intercept : ndarray of shape (n_outputs,)
        The score of a row for which no rule holds.
    contributions : ndarray of shape (n_rules, n_outputs)
        What each rule adds to the score.
    coverage : ndarray of shape (n_rules,)
        The share of the rows of X for which each rule holds.
    threshold : float
        For two classes: the second is predicted where the score is above it.
    unit : ndarray of shape (n_outputs,), or None
        After `to_points`: the size of a point in the score of the model.
    classes : ndarray, list of ndarray, or None
        Labels of a classifier.
    link : str or None
        How a score becomes a prediction: "logit", "softmax", "identity", "log" and others
        of boosting; None for shares of classes.

    See Also
    --------
    rules : Makes one from a fitted model.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_prune.inspection import rules
    >>> X, y = load_iris(return_X_y=True)
    >>> table = rules(DecisionTreeClassifier(max_leaf_nodes=3).fit(X, y), X)
    >>> len(table), table.to_read()["n_conditions"]
    (2, 2)
    """

    def __init__(self, compact, wrappers, names, X, y=None):
        self._compact, self._wrappers, self._names = compact, wrappers, names
        self.classes = getattr(compact, "classes_", None)
        self.unit = None
        rows = self._rows_of(X)
        self._missing = _has_missing(rows)
        found, self._n_leaves = extract_rules(compact, rows, missing=self._missing)
        self.threshold = 0.0
        is_share = isinstance(compact, CompactForestClassifier)
        self.link = _link(compact, found.values.shape[1])
        if is_share and compact.n_outputs_ == 1 and len(self.classes) == 2:
            # Shares of two classes sum to one: the second tells both.
            self.threshold = 0.5
            found = RuleSet(
                found.boxes,
                found.values[:, 1:],
                found.intercept[1:],
                found.tree,
                found.leaf,
            )
        self._leaves = compact.trees_.apply_leaves(rows)
        self._sizes = np.diff(compact.trees_.leaf_start.astype(np.int64))
        self._targets = _target_columns(y, self.classes, len(self._leaves))
        held = self._rule_sums(found, [np.ones(len(self._leaves))])[:, 0]
        coverage = held / len(self._leaves)
        size = coverage * np.abs(found.values).max(axis=1, initial=0.0)
        order = np.argsort(-size, kind="stable")
        self._rules, self.coverage = found.picked(order), coverage[order]
        self._texts = ConditionTexts(
            names,
            rows,
            self._missing,
            getattr(compact, "categories_", None),
            found.boxes,
        )

    @property
    def intercept(self):
        return self._rules.intercept

    @property
    def contributions(self):
        return self._rules.values

    def __len__(self):
        return len(self._rules)

    def __repr__(self):
        read = self.to_read()
        return (
            f"<RuleTable: {read['n_rules']} rules, {read['n_conditions']} conditions, "
            f"{read['n_features']} features>"
        )

    def __str__(self):
        return text(self)

    def _repr_html_(self):
        return fragment(self)

    def to_html(self, path):
        """Write the table as one HTML file, which needs no network and has no script.

        Parameters
        ----------
        path : str or path-like
            Where to write it. An existing file is replaced.

        Returns
        -------
        pathlib.Path
            The path.
        """
        path = Path(path)
        with written_whole(path) as file:
            file.write(page(self).encode("utf-8"))
        return path

    def frame(self):
        """The rules as a table, those first that change the scores most.

        Returns
        -------
        pandas.DataFrame
            A line for each rule: "rule", its conditions; "coverage", the share of rows
            for which it holds; "contribution", or "points", for each class or target; and
            with y the mean target of these rows, or the share of each class.
        """
        pandas = import_or_raise("pandas", "RuleTable.frame", extra="compare")
        what = "contribution" if self.unit is None else "points"
        columns = {"rule": self.texts(), "coverage": self.coverage}
        names = self.output_names()
        for k, values in enumerate(self.contributions.T):
            columns[what if len(names) < 2 else f"{what} to {names[k]}"] = values
        columns |= self.target_means()
        return pandas.DataFrame(columns)

    def texts(self):
        """The conditions of each rule as a text.

        Returns
        -------
        list of str
            Thresholds have as few digits as keep each row of X on its side.
        """
        return [self._texts.of(box) for box in self._rules.boxes]

    def by_features(self):
        """The order in which the rules are printed: those on the same features together.

        Returns
        -------
        ndarray of shape (n_rules,), int
            Positions of the rules, by thresholds within the features. Features come first
            of which a rule changes the scores most.
        """
        places, keys = {}, []
        for number, box in enumerate(self._rules.boxes):
            features = tuple(feature for feature, _ in box)
            intervals = all(isinstance(condition, Interval) for _, condition in box)
            bounds = [condition[:2] if intervals else () for _, condition in box]
            keys.append((places.setdefault(features, number), bounds, number))
        return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.intp)

    def output_names(self):
        """What each column of the scores is about.

        Returns
        -------
        list of str
            The classes, or the numbers of several targets.
        """
        n_outputs, several = self.contributions.shape[1], isinstance(self.classes, list)
        if several:
            labels = enumerate(self.classes)
            return [f"{label} of target {k}" for k, of in labels for label in of]
        if self.classes is None:
            return [f"target {k}" for k in range(n_outputs)] if n_outputs > 1 else [""]
        return [str(label) for label in self.classes[-n_outputs:]]

    def target_means(self):
        """Mean target of the rows of each rule.

        Returns
        -------
        dict of str to ndarray of shape (n_rules,)
            The share of each class, or the mean of each target; empty without y.
        """
        if self._targets is None:
            return {}
        sums = self._rule_sums(self._rules, self._targets.values())
        with np.errstate(invalid="ignore"):  # NaN for rules that hold for no row
            means = sums / (self.coverage * len(self._leaves))[:, None]
        return dict(zip(self._targets, means.T, strict=True))

    def overall_means(self):
        """Mean target of all rows.

        Returns
        -------
        dict of str to float
            With the names of `target_means`.
        """
        return {name: float(np.mean(of)) for name, of in (self._targets or {}).items()}

    def to_read(self, share=0.95):
        """What a person has to read to know the model.

        Parameters
        ----------
        share : float in (0, 1], default=0.95
            See `n_rules_needed`.

        Returns
        -------
        dict
            ``n_leaves``, ``n_rules``, ``n_conditions`` (distinct ones), ``n_features``,
            ``longest_rule`` (in conditions), ``rules_per_row`` (which hold, in the mean)
            and ``n_rules_needed``: how many of the first rules predict the label of the
            whole model for this share of the rows, or have this R2 against its score.
        """
        if not 0 < share <= 1:
            raise InvalidParameterError(
                f"share must be in (0, 1]. Got {share!r}. Write share=0.95."
            )
        sides = {side for box in self._rules.boxes for side in _sides(box)}
        return {
            "n_leaves": self._n_leaves,
            "n_rules": len(self),
            "n_conditions": len(sides),
            "n_features": len({feature for feature, *_ in sides}),
            "longest_rule": max(map(len, self._rules.boxes), default=0),
            "rules_per_row": float(self.coverage.sum()),
            "n_rules_needed": self._n_needed(share),
        }

    def _n_needed(self, share):
        whole, part = self._training_scores(self.contributions), np.array(self.intercept)
        part = np.tile(part, (len(self._leaves), 1))
        agrees = self._agreement(whole)
        for number in range(len(self)):
            if agrees(part) >= share:
                return number
            held = self._leaves[:, self._rules.tree[number]] == self._rules.leaf[number]
            part[held] += self.contributions[number]
        return len(self)

    def _agreement(self, whole):
        """A function of scores: how far they agree with those of the whole model."""
        if self.classes is not None:
            labels = self._labels(whole)
            return lambda scores: float((self._labels(scores) == labels).all(axis=1).mean())
        spread = ((whole - whole.mean(axis=0)) ** 2).sum(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        return lambda scores: float(
            (1 - ((scores - whole) ** 2).sum(axis=0) / spread).min()
        )

    def _labels(self, scores, threshold=None):
        """Codes of the labels that scores mean, shape (n_rows, n_targets)."""
        threshold = self.threshold if threshold is None else threshold
        if isinstance(self.classes, list):
            bounds = np.cumsum([len(of) for of in self.classes])[:-1]
            parts = np.split(scores, bounds, axis=1)
            return np.stack([part.argmax(axis=1) for part in parts], axis=1)
        if scores.shape[1] == 1:
            return (scores > threshold).astype(int)
        return scores.argmax(axis=1)[:, None]

    def to_points(self, max_changed=0.005):
        """The same rules with integers: points that a person can add up.

        Contributions are divided by a unit and rounded. It is the coarsest one that keeps
        the predictions.

        Parameters
        ----------
        max_changed : float in [0, 1), default=0.005
            The largest share of the rows of X whose predicted label may change. For
            regressors, the largest share of the variance of the score that may be lost.

        Returns
        -------
        RuleTable
            Its `unit` is the size of a point. Rules without points are left out.
        """
        if not 0 <= max_changed < 1:
            raise InvalidParameterError(
                f"max_changed must be in [0, 1). Got {max_changed!r}. Write "
                "max_changed=0.005."
            )
        values, base = self.contributions, self.intercept - self.threshold
        whole = self._training_scores(values)
        agrees = self._agreement(whole)
        shared = self.classes is not None  # classes are compared, so their unit is one
        largest = np.abs(values).max(axis=None if shared else 0, initial=0.0)
        largest = np.broadcast_to(np.where(largest > 0, largest, 1.0), base.shape)
        for top in _POINTS:
            unit = largest / top
            points, start = np.rint(values / unit), np.rint(base / unit)
            rounded = (start + self._sums(points)) * unit + self.threshold
            if agrees(rounded) >= 1 - max_changed:
                break
        kept = np.flatnonzero(points.any(axis=1))
        table = object.__new__(type(self))
        vars(table).update(vars(self), unit=unit, threshold=0.0)
        table._rules = RuleSet(
            [self._rules.boxes[k] for k in kept],
            points[kept].astype(np.int64),
            start.astype(np.int64),
            self._rules.tree[kept],
            self._rules.leaf[kept],
        )
        table.coverage = self.coverage[kept]
        return table

    def scores(self, X):
        """The intercept plus the contributions of the rules that hold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, in the form that the model reads.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            The score of the model: log odds of boosting and of refitted forests, shares of
            the classes of other forests, the target of regressors before the link; for
            two classes a column for the second. Points after `to_points`.

        Raises
        ------
        ValueError
            If X has missing values in a column where the rows of the table have none.
        """
        rows = self._rows_of(X)
        unknown = np.flatnonzero(_has_missing(rows) & ~self._missing)
        if len(unknown):
            raise ValueError(
                "The rules were counted on rows without missing values in the column "
                f"{self._names[unknown[0]]!r}, so they do not tell where these go. Got "
                "missing values there. Call rules(model, X, y) with rows that have them."
            )
        return self._rules.scores(rows)

    def _rows_of(self, X):
        """X as the trees read it."""
        X = canonical(X)
        for wrapper in self._wrappers:
            X = wrapper._rows(X)
        return self._compact._check(X)

    def _training_scores(self, values):
        return self.intercept + self._sums(values)

    def _sums(self, values):
        """For each row of X the sum of the values of the rules that hold."""
        found = np.zeros((len(self._leaves), values.shape[1]))
        for tree, group in _by_tree(self._rules):
            table = np.zeros((self._sizes[tree], values.shape[1]))
            table[self._rules.leaf[group]] = values[group]
            found += table[self._leaves[:, tree]]
        return found

    def _rule_sums(self, found, columns):
        """Sums of some columns over the rows of each rule, shape (n_rules, n_columns)."""
        sums = np.zeros((len(found), len(columns)))
        for tree, group in _by_tree(found):
            for k, column in enumerate(columns):
                of_leaves = np.bincount(
                    self._leaves[:, tree], column, minlength=self._sizes[tree]
                )
                sums[group, k] = of_leaves[found.leaf[group]]
        return sums


def _link(compact, n_outputs):
    """How the scores of a predictor become what it predicts; None for shares of classes."""
    if hasattr(compact, "link_"):
        return compact.link_
    if isinstance(compact, CompactForestClassifier):
        return None
    if not hasattr(compact, "classes_"):
        return "identity"
    return "logit" if n_outputs == 1 else "softmax"


def _by_tree(found):
    """The trees that rules are of, and the positions of the rules of each."""
    for tree in np.unique(found.tree):
        yield tree, np.flatnonzero(found.tree == tree)


def _sides(box):
    """The distinct questions of a rule: a feature, and a bound or a set."""
    for feature, condition in box:
        bounds = condition[:2] if isinstance(condition, Interval) else ()
        finite = [bound for bound in bounds if np.isfinite(bound)]
        yield from ((feature, asked) for asked in finite or [condition])


def _has_missing(rows):
    """Which columns of rows have missing values."""
    if issparse(rows):
        columns = rows.tocoo()
        found = np.zeros(rows.shape[1], dtype=bool)
        found[columns.col[np.isnan(columns.data)]] = True
        return found
    return np.isnan(rows).any(axis=0)


def _target_columns(y, classes, n):
    """The columns whose means tell of the targets, by their names."""
    if y is None:
        return None
    y = np.asarray(y)
    y = y.reshape(len(y), -1)
    if len(y) != n:
        raise ValueError(
            f"y must have a target for each row of X. Got {len(y)} for {n} rows. Pass the "
            "y of the rows of X."
        )
    if classes is None:
        if y.shape[1] == 1:
            return {"mean target": y[:, 0].astype(np.float64)}
        return {f"mean target {k}": each.astype(np.float64) for k, each in enumerate(y.T)}
    if not isinstance(classes, list):
        labels = classes[1:] if len(classes) == 2 else classes
        return {f"share of {label}": y[:, 0] == label for label in labels}
    return {
        f"share of {label} of target {k}": y[:, k] == label
        for k, labels in enumerate(classes)
        for label in labels
    }
