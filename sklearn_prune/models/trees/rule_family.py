"""unit="rule": few rules of trees, whose scores are estimated again."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import clone

from sklearn_prune._folds import shuffled_folds
from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import derive_seed
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune._validation import canonical
from sklearn_prune.models.trees.rule_refit import fit_scores
from sklearn_prune.models.trees.rules import (
    Categories,
    Interval,
    RuleSet,
    additive_trees,
    boxes_hold,
    column_of,
    node_boxes,
    trees_of_rules,
)
from sklearn_prune.predictors import (
    CompactBoosting,
    FlatTrees,
    compact_score_forest,
    copy_attributes,
)
from sklearn_prune.weight_pruning import (
    Family,
    Restores,
    UnitTable,
    inner_folds,
    ranked,
    restored,
)
from sklearn_prune.weight_pruning.criteria import (
    MagnitudeCriterion,
    RandomCriterion,
    StabilityCriterion,
)

RULE_CRITERIA = (StabilityCriterion, MagnitudeCriterion, RandomCriterion)
RULE_QUANTITIES = ("frequencies", "weights")
_LOSSES = {"exponential": "logistic", None: "squared"}


@dataclass(frozen=True)
class RuleWork:
    """Rules of a model of trees.

    Parameters
    ----------
    inner : object
        The working form of the model by its own family.
    whole : Compact
        The predictor of the model.
    rules : RuleSet
        The rules that are left; `values` are those of the model, or refitted ones.
    ids : ndarray of shape (n_rules,), int
        Their numbers among the candidates.
    n_ranked : int
        Number of candidates.
    counts : ndarray of shape (n_rules,), or None
        How often each occurred in resamples, where they were counted.
    is_refitted : bool
        Whether the rules predict, instead of the whole model.
    """

    inner: object
    whole: object
    rules: RuleSet
    ids: np.ndarray
    n_ranked: int
    counts: np.ndarray | None = None
    is_refitted: bool = False


class RuleFamily(Restores, Family):
    """Rules of a model of trees, whose family is `inner`.

    Each split is a candidate: the box of its right child. These boxes and an intercept say
    all that the trees say. The result adds the values of the rules that hold; it has a
    tree for each, with the conditions as a chain of splits.
    """

    units = ("rule",)
    criteria = {"rule": RULE_CRITERIA}
    offers = {"rule": RULE_QUANTITIES}

    def __init__(self, inner):
        self.inner = inner

    def start(self, model, context):
        inner = self.inner.start(model, context)
        whole = self.inner.compact(inner)
        rules = split_rules(additive_trees(whole))
        return RuleWork(inner, whole, rules, np.arange(len(rules)), len(rules))

    def table(self, work, unit, context):
        n_outputs = len(work.rules.intercept)
        sizes = [
            2 * sum(len([*condition.splits()]) for _, condition in box) + n_outputs
            for box in work.rules.boxes
        ]
        sizes = np.array(sizes, dtype=np.int64)
        return UnitTable(work.ids, sizes, fixed=n_outputs, n_ranked=work.n_ranked)

    def apply(self, work, unit, kept, context):
        counts = None if work.counts is None else work.counts[kept]
        return replace(
            work, rules=work.rules.picked(kept), ids=work.ids[kept], counts=counts
        )

    def reduce(self, work, shares, request, context):
        self._check(work, request, context)
        if not len(work.rules):  # nothing to choose
            return [work] * len(shares)
        criterion = self.criterion_for("rule", request.criterion)
        prepared, ranking, _ = ranked(criterion, self, work, "rule", context)
        if not len(prepared.rules):
            return [work] * len(shares)
        smaller = (
            self.apply(prepared, "rule", np.sort(ranking.order[:share]), context)
            for share in shares
        )
        return [self.refit(each, "rule", context) for each in smaller]

    def _check(self, work, request, context):
        """Raise if rules cannot be kept as asked for."""
        wrong = None
        if not request.refit:
            wrong = 'unit="rule" estimates what the kept rules add', "refit=False"
            remedy = "Write refit=True."
        elif request.schedule is not None:
            wrong = 'unit="rule" keeps all rules at once', f"schedule={request.schedule!r}"
            remedy = "Write schedule=None."
        elif self.inner.is_monotonic(work.inner):
            wrong = 'unit="rule" keeps no monotonic constraints', "a model that has some"
            remedy = 'Write unit="node", or train without constraints.'
        elif getattr(work.whole, "n_outputs_", 1) > 1 and context.is_classification:
            wrong = 'unit="rule" needs one target to classify', "several"
            remedy = "Write MultiOutputClassifier around the model."
        if wrong is not None:
            raise InvalidParameterError(f"{wrong[0]}. Got {wrong[1]}. {remedy}")

    def refit(self, work, unit, context):
        loss, y, weight = self.inner.training_targets(work.inner, context)
        rows = rows_of(work.whole, context.X)
        if loss is None:
            y = raw_scores(work.whole, rows)
        loss = _LOSSES.get(loss, loss)
        holds = boxes_hold(work.rules.boxes, rows)
        n_outputs = work.whole.trees_.n_outputs
        if loss == "logistic":
            n_outputs = 1
        found = fit_scores(holds, y, weight, loss, inner_folds(context), n_outputs)
        return replace(work, rules=RuleSet(work.rules.boxes, *found), is_refitted=True)

    def compact(self, work):
        if not work.is_refitted:
            return work.whole
        if isinstance(work.whole, CompactBoosting):
            return _boosting(work.whole, work.rules)
        return _score_forest(work.whole, work.rules, self.feature_importances(work))

    def restore(self, compact, template):
        return restored(self.inner, compact, template)

    def feature_importances(self, work):
        """The values of the rules, shared by the features of each; of the whole model."""
        if not work.is_refitted:
            return self.inner.feature_importances(work.inner)
        found = np.zeros(work.whole.n_features_in_)
        for box, values in zip(work.rules.boxes, work.rules.values, strict=True):
            for feature, _ in box:
                found[feature] += np.abs(values).max() / len(box)
        return found / (found.sum() or 1.0)

    def weights(self, work, unit, context):
        """What each rule adds, times the spread of whether it holds."""
        holds = boxes_hold(work.rules.boxes, rows_of(work.whole, context.X))
        return work.rules.values * holds.std(axis=0)[:, None]

    def frequencies(self, work, unit, n_resamples, n_bins, context):
        """How often rules occur in clones of the model on halves of the rows.

        Thresholds are moved to the nearest of `n_bins` - 1 quantiles of all rows, so that
        the halves can agree. Candidates that hold for the same rows, or for all others,
        are one: the first with the fewest conditions.

        Returns
        -------
        work : RuleWork
            With the rules of all clones, the most frequent first.
        counts : ndarray of shape (n_rules,)
            Number of splits; ties are broken by the mean effect on the score.
        """
        if work.counts is not None:
            return work, work.counts
        rows = rows_of(work.whole, context.X)
        grid = ThresholdGrid(rows, n_bins)
        found = {}
        parts = [(work.whole, 0)]
        parts += [(each, 1) for each in self._resampled(work, n_resamples, context)]
        for compact, count in parts:
            of_splits, _ = boxes_of_splits(additive_trees(compact))
            for box, (value, n_splits) in of_splits.items():
                box = grid.moved(translated(box, compact, work.whole))
                if box is not None:
                    entry = found.setdefault(box, [0, 0.0])
                    entry[0] += count * n_splits
                    entry[1] += np.abs(value).max()
        boxes, counts, sizes = merged_candidates(found, rows)
        scores = counts + 0.5 * sizes / max(sizes.max(initial=0.0), 1e-300)
        order = Ranking.from_scores(scores).order
        n_rules, n_outputs = len(boxes), len(work.rules.intercept)
        rules = RuleSet(
            [boxes[k] for k in order], np.zeros((n_rules, n_outputs)), work.rules.intercept
        )
        scores = scores[order]
        work = replace(
            work, rules=rules, ids=np.arange(n_rules), n_ranked=n_rules, counts=scores
        )
        return work, scores

    def _resampled(self, work, n_resamples, context):
        """The predictors of clones of the model that were fitted on halves of the rows."""
        n, y = len(context.target), np.zeros(len(context.target))
        classifies = context.is_classification and context.target.ndim == 1
        if classifies:
            y = np.unique(context.target, return_inverse=True)[1].astype(np.int64)
        weights = context.sample_weight
        counted = np.ones(n, dtype=bool) if weights is None else weights > 0
        number = 0
        while number < n_resamples:
            seed = context.role_seed(f"halves-{number}")
            halves = shuffled_folds(2, y, context.groups, counted, seed)
            for half, _ in halves[: n_resamples - number]:
                number += 1
                if classifies and len(np.unique(y[half])) < 2:
                    continue
                part = context.on(np.sort(half))
                own = clone(context.template)
                seeds = {
                    name: derive_seed(seed, f"{name}-{number}")
                    for name in own.get_params()
                    if name.rpartition("__")[2] == "random_state"
                }
                model = part.fit(own.set_params(**seeds))
                yield self.inner.compact(self.inner.start(model, part))


def rows_of(compact, X):
    """Rows as the trees of a predictor read them."""
    return compact._check(canonical(X))


def raw_scores(compact, rows):
    """The raw score of the trees, shape (n_rows, n_outputs)."""
    sums = additive_trees(compact)
    return sums.start + sums.scale * compact.trees_.sum(rows)


def boxes_of_splits(sums):
    """For each split of trees, the box of its right child and what being in it adds.

    What a tree says is the value of its leftmost leaf, plus, for each right child in which
    a row is, the value of the leftmost leaf below it minus that below its parent.

    Returns
    -------
    boxes : dict of tuple to list
        For each box the values, of shape (n_outputs,), and the number of splits with it.
    intercept : ndarray of shape (n_outputs,)
        The values of the leftmost leaves, and what the sums start from.
    """
    arrays, n_outputs = sums.arrays, len(sums.start)
    value = sums.scale * np.asarray(arrays.value, np.float64).reshape(arrays.n_nodes, -1)
    first = np.arange(arrays.n_nodes)
    for node in np.flatnonzero(arrays.left >= 0)[::-1]:  # children come after parents
        first[node] = first[arrays.left[node]]
    value, boxes, found = value[first], node_boxes(arrays), {}
    tree, intercept = arrays.tree_of_nodes(), sums.start.astype(np.float64)
    columns = [slice(int(k), int(k) + value.shape[1]) for k in arrays.output]
    for of_tree, root in zip(columns, arrays.roots, strict=True):
        intercept[of_tree] += value[root]
    for node in np.flatnonzero(arrays.left >= 0):
        right = arrays.right[node]
        box = tuple(sorted(boxes[right].items()))
        entry = found.setdefault(box, [np.zeros(n_outputs), 0])
        entry[0][columns[tree[node]]] += value[right] - value[node]
        entry[1] += 1
    return found, intercept


def split_rules(sums):
    """The rules of all splits, which add up to the score of the trees."""
    found, intercept = boxes_of_splits(sums)
    values = np.array([value for value, _ in found.values()])
    return RuleSet([*found], values.reshape(len(found), len(intercept)), intercept)


class ThresholdGrid:
    """Few thresholds for each feature, to which others are moved.

    Parameters
    ----------
    rows : array or sparse matrix of shape (n_rows, n_features)
        Their quantiles are the thresholds: `n_bins` - 1 of each feature, or all that tell
        rows apart, where a feature has at most `n_bins` values.
    n_bins : int or None
        None moves nothing.
    """

    def __init__(self, rows, n_bins):
        self.rows, self.n_bins, self.known = rows, n_bins, {}

    def moved(self, box):
        """The box with its thresholds moved, or None if no value is left inside."""
        if self.n_bins is None:
            return box
        found = []
        for feature, condition in box:
            if isinstance(condition, Interval):
                low, high = (self._nearest(feature, bound) for bound in condition[:2])
                if low >= high and np.isfinite([low, high]).any():
                    return None
                condition = Interval(low, high, condition.missing)
            found.append((feature, condition))
        return tuple(found)

    def _nearest(self, feature, bound):
        """The threshold with the most similar number of rows below it."""
        if not np.isfinite(bound):
            return bound
        if feature not in self.known:
            self.known[feature] = self._thresholds(feature)
        values, shares, chosen = self.known[feature]
        if not len(chosen):
            return bound
        place = int(np.searchsorted(values, bound, side="right")) - 1
        share = shares[place] if place >= 0 else 0.0
        nearest = chosen[np.argmin(np.abs(shares[chosen] - share))]
        low, high = values[nearest], values[nearest + 1]
        middle = low + (high - low) / 2
        return float(middle if low <= middle < high else low)

    def _thresholds(self, feature):
        """Values, the share of the rows up to each, and those after which a cut may be."""
        column = np.asarray(column_of(self.rows, feature), dtype=np.float64)
        values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        shares = np.cumsum(counts) / max(counts.sum(), 1)
        inside = shares[:-1]
        chosen = np.arange(len(inside))
        if len(values) > self.n_bins:
            quantiles = np.arange(1, self.n_bins)[:, None] / self.n_bins
            chosen = np.unique(np.abs(inside - quantiles).argmin(axis=1))
        return values, shares, chosen


def translated(box, compact, whole):
    """A box of one predictor with the codes that another has for the categories."""
    if getattr(compact, "categories_", None) is None or compact is whole:
        return box
    found = []
    for feature, condition in box:
        if isinstance(condition, Categories):
            codes = {value: code for code, value in enumerate(compact.categories_[feature])}
            inside = []
            for value in whole.categories_[feature]:
                code = codes.get(value)
                if code is None:  # it was read as missing
                    inside.append(condition.missing)
                elif code < len(condition.inside):
                    inside.append(condition.inside[code])
                else:
                    inside.append(condition.other)
            condition = Categories.of(inside, condition.other, condition.missing)
        found.append((feature, condition))
    return tuple(found)


def merged_candidates(found, rows):
    """Boxes of which no two hold for the same rows, or for each other's rest.

    Parameters
    ----------
    found : dict of tuple to list
        For each box a count and a size, which are added up.
    rows : array or sparse matrix of shape (n_rows, n_features)
        Boxes that hold for all or none of them are left out.

    Returns
    -------
    boxes : list of tuple
    counts, sizes : ndarray of shape (n_boxes,)
    """
    order = sorted(found, key=len)
    totals = {}
    for first in range(0, len(order), 256):
        part = order[first : first + 256]
        for box, column in zip(part, boxes_hold(part, rows).T, strict=True):
            if column.all() or not column.any():
                continue
            key = np.packbits(column ^ column[0]).tobytes()
            entry = totals.setdefault(key, [box, 0, 0.0])
            entry[1] += found[box][0]
            entry[2] += found[box][1]
    boxes, counts, sizes = zip(*totals.values(), strict=True) if totals else ((),) * 3
    return list(boxes), np.array(counts, dtype=np.float64), np.array(sizes, dtype=float)


def _boosting(whole, rules):
    """The predictor of boosting whose trees are the rules."""
    n_outputs = len(rules.intercept)
    arrays = trees_of_rules(
        [box for box in rules.boxes for _ in range(n_outputs)],
        rules.values.reshape(-1, 1) / whole.slope_,
    )
    compact = copy(whole)
    compact.trees_ = FlatTrees.build(
        arrays,
        whole.n_features_in_,
        exact_float64_thresholds=whole.trees_.dtype == np.float64,
        n_outputs=n_outputs,
        output_column=np.arange(n_outputs),
        category_sets=arrays.category_sets,
    )
    compact.start_ = rules.intercept / whole.slope_
    compact.divisor_, compact.iterations_ = 1, None
    return compact


def _score_forest(whole, rules, importances):
    """The predictor that adds the values of the rules to an intercept."""
    arrays = trees_of_rules(rules.boxes, rules.values)
    flat = FlatTrees.build(arrays, whole.n_features_in_, n_outputs=len(rules.intercept))
    classes = getattr(whole, "classes_", None)
    compact = compact_score_forest(flat, rules.intercept, classes)
    compact.n_outputs_ = whole.n_outputs_
    compact._allow_nan, compact.n_jobs = whole._allow_nan, whole.n_jobs
    compact._importances = importances.astype(np.float32)
    return copy_attributes(whole, compact, "feature_names_in_")
