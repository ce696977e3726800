"""How boosting is pruned: scikit-learn's, LightGBM's and XGBoost's."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from sklearn.base import clone

from sklearn_prune._ranking import Ranking, parameter_budget
from sklearn_prune._seeds import derive_seed, draw_seed, row_keys
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.models.boosting.iterations import (
    greedy_order,
    lasso_strengths,
    quadratic_parts,
    ridge_strengths,
)
from sklearn_prune.models.boosting.refit import (
    PULL,
    PULL_OF_ITERATIONS,
    LeafPath,
    collapse_costs,
    leaf_nodes,
    penalised_path,
    raw_scores,
    rescaled,
    training_rows,
)
from sklearn_prune.models.boosting.restore import restore_model
from sklearn_prune.models.readers import (
    BoostedModel,
    fill_inner_values,
    needs_frame,
    read_model,
    refusal,
)
from sklearn_prune.models.trees import (
    RULE_CRITERIA,
    RULE_QUANTITIES,
    RuleFamily,
    collapse,
    max_below,
)
from sklearn_prune.predictors import (
    DIALECTS,
    METHODS,
    CompactBoosting,
    FlatTrees,
    QuantizedArray,
    ScoredRows,
    ValueLeaves,
    leaf_table,
    pick_trees,
)
from sklearn_prune.weight_pruning import (
    STARTS,
    Accepted,
    Family,
    Outputs,
    Refused,
    Restores,
    UnitTable,
)
from sklearn_prune.weight_pruning.criteria import (
    ContributionCriterion,
    MagnitudeCriterion,
    PenaltyCriterion,
    RandomCriterion,
    SecondOrderCriterion,
)

FEWEST_ITERATIONS = 5
FASTEST_RATE = 0.5
LESS_LEARNT = 1 / 1.5  # of what was learnt before: trees are then clearly larger
_ITERATIONS = ("max_iter", "n_estimators")
_LEAVES = ("max_leaf_nodes", "num_leaves", "max_leaves")
# For the same, which LightGBM and XGBoost take as well.
_OTHER_NAMES = {"eta", "shrinkage_rate", "num_leaf", "max_leaf", "n_iter", "nrounds"} | {
    *("num_boost_round", "num_iteration", "num_iterations"),
    *("num_tree", "num_trees", "num_round", "num_rounds"),
}
_MONOTONIC = ("monotonic_cst", "monotone_constraints", "monotone_constraint", "mc")
_RATE_OF_XGBOOST, _ITERATIONS_OF_XGBOOST = 0.3, 100  # which its estimators leave None
OPTIONS = ("no refit", "refit")
MILESTONES = (0.97, 0.9, 0.7, 0.5, 0.35, 0.25, 0.17, 0.12, 0.08, 0.05, 0.03, 0.02)
MOST_ROWS = 10_000  # that a refit reads
HALF_RANGE = (1e-3, 6e4)  # largest leaf values that half floats hold well


@dataclass(frozen=True)
class BoostingWork:
    """A boosting model while it is pruned.

    Parameters
    ----------
    model : BoostedModel
        Its trees, and what their sum means.
    methods : tuple of str
        What the fitted model offers besides `predict`.
    whole : BoostedModel
        The model before anything was cut.
    monotonic : bool
        Whether scores have to rise or fall with a feature: leaves are then only merged,
        to a mean of theirs, and not refitted.
    small_leaves : bool
        Whether leaves are stored in half precision where they fit.
    importance : str or None
        Kind of importance that LightGBM or XGBoost was asked for.
    importances : ndarray or None
        Those of the whole model, where it has any.
    """

    model: BoostedModel
    methods: tuple
    whole: BoostedModel
    monotonic: bool = False
    small_leaves: bool = False
    importance: str | None = None
    importances: np.ndarray | None = None

    @cached_property
    def flat(self):
        """The trees in the flat form."""
        return flat_trees(self.model, self.small_leaves)


class BoostingFamily(Restores, Family):
    """GradientBoosting, HistGradientBoosting, LightGBM and XGBoost.

    Notes
    -----
    Iterations are ranked on the rows that the model was fitted on: other rows are known
    to none of these libraries, and a model fitted on fewer rows has other iterations. An
    order assumes the refit, which makes up for what is cut.

    In inner validation the full model counts as good as the best size: a model that is too
    large for a part of the rows gains by any cut there, and less so on all of them.
    """

    units = ("iteration", "node")
    compares_with_best = True
    reads_starts = True
    criteria = {
        "iteration": (ContributionCriterion, PenaltyCriterion, RandomCriterion),
        "node": (
            SecondOrderCriterion,
            MagnitudeCriterion,
            PenaltyCriterion,
            RandomCriterion,
        ),
        "rule": RULE_CRITERIA,
    }
    offers = {
        "iteration": ("contributions", "penalised"),
        "node": ("removal_losses", "weights", "penalised"),
        "rule": RULE_QUANTITIES,
    }

    def accepts(self, model):
        reason = refusal(model)
        return Accepted(self) if reason is None else Refused(reason)

    def holds(self, model):
        answer, reason = self.accepts(model), None
        if answer:
            reason = needs_frame(model)
        return answer if reason is None else Refused(reason)

    def from_scratch(self, estimator, size):
        """The model with fewer iterations, each of which learns more.

        Notes
        -----
        The learning rate times the number of iterations is kept, up to a rate of 0.5. At
        the old rate, a tenth of the iterations is a much weaker model, and any pruned model
        looks good beside it. On seven data sets, with 100 iterations before and sizes from
        0.5 to 0.01, the score is two or three points below the best of a grid of
        iterations, leaves and rates. With the old rate it is 16 points below.
        There are at least five iterations; smaller sizes have fewer leaves. Trees become
        smaller as a model learns. Where the bound of the rate leaves less to be learnt than
        before, no tree has more leaves than the size allows in the mean.
        """
        params = estimator.get_params(deep=False)
        if not _OTHER_NAMES.isdisjoint(params):
            return None
        iterations = next(name for name in _ITERATIONS if name in params)
        leaves = next(name for name in _LEAVES if name in params)
        before = params[iterations] or _ITERATIONS_OF_XGBOOST
        if size.n_iterations not in (None, 1):  # one: a whole forest in an iteration
            before = size.n_iterations
        of_iteration = len(size.predictor.start_) * (params.get("num_parallel_tree") or 1)
        in_trees = size.after / of_iteration
        after, few = round(before * size.share), min(FEWEST_ITERATIONS, before)
        # A tree stores two numbers for each split and one for each leaf.
        n_leaves = max(2, round((in_trees / max(after, few) + 2) / 3))
        too_few = after < few
        if too_few:
            after = max(1, round(in_trees / (3 * n_leaves - 2)))
        rate = params["learning_rate"] or _RATE_OF_XGBOOST
        fastest = max(FASTEST_RATE, rate)
        small = clone(estimator)
        if too_few or fastest * after < LESS_LEARNT * rate * before:
            small.set_params(**{leaves: min(n_leaves, params[leaves] or n_leaves)})
        rate = float(min(fastest, rate * before / after))
        return small.set_params(**{iterations: after, "learning_rate": rate})

    def for_unit(self, unit):
        return RuleFamily(self) if unit == "rule" else self

    def start(self, model, context):
        found = read_model(model, None if context is None else context.X)
        methods = tuple(name for name in METHODS if hasattr(model, name))
        params = model.get_params()
        return BoostingWork(
            found,
            methods,
            found,
            monotonic=any(params.get(name) is not None for name in _MONOTONIC),
            importance=params.get("importance_type"),
            importances=getattr(model, "feature_importances_", None),
        )

    def compact(self, work):
        model = work.model
        compact = CompactBoosting()
        compact.trees_ = work.flat
        compact.start_ = model.start
        compact.library_ = model.library
        compact.link_ = model.link
        compact.slope_ = model.slope
        compact.divisor_ = model.divisor
        compact.missing_ = model.missing
        compact.zeros_missing_ = None
        if model.zeros_missing:
            trees = model.trees
            categorical = trees.feature[(trees.category >= 0) & ~trees.is_leaf]
            compact.zeros_missing_ = np.setdiff1d(np.arange(model.n_features), categorical)
        compact.categories_ = model.categories
        compact.methods_ = work.methods
        if model.n_fitted is not None and model is work.whole:
            n_stored = len(np.unique(model.trees.iteration))
            compact.iterations_ = (n_stored, max(n_stored, model.n_fitted))
        compact.n_features_in_ = model.n_features
        if model.classes is not None:
            compact.classes_ = model.classes
        if model.names is not None:
            compact.feature_names_in_ = model.names
        return compact

    def restore(self, compact, template):
        return restore_model(compact, template)

    def feature_importances(self, work):
        if work.model is work.whole and work.importances is not None:
            return work.importances
        return importances_of_splits(work.model, work.importance)

    def table(self, work, unit, context):
        trees = work.model.trees
        if unit == "node":
            splits = np.flatnonzero(trees.left >= 0)
            sizes = np.full(len(splits), 3)
            return UnitTable(trees.node[splits], sizes, fixed=trees.n_trees)
        ids, of_tree = np.unique(trees.iteration, return_inverse=True)
        splits = np.bincount(
            of_tree[trees.tree_of_nodes()], weights=trees.left >= 0, minlength=len(ids)
        )
        n_trees = np.bincount(of_tree)
        return UnitTable(ids, (3 * splits + n_trees).astype(np.int64))

    def apply(self, work, unit, kept, context):
        trees, divisor = work.model.trees, work.model.divisor
        if unit == "node":
            stays = np.zeros(trees.n_nodes, dtype=bool)
            stays[np.flatnonzero(trees.left >= 0)[kept]] = True
            trees, _ = collapse(trees, stays)
        else:
            stays = np.isin(trees.iteration, np.unique(trees.iteration)[kept])
            trees = pick_trees(trees, np.flatnonzero(stays))
            divisor = len(kept) if divisor > 1 else divisor
        return replace(work, model=replace(work.model, trees=trees, divisor=divisor))

    def refit(self, work, unit, context):
        if work.monotonic:
            return work
        rows, model, pull = self.training_rows(work, context), work.model, PULL
        if unit == "iteration":
            model, pull = rescaled(model, rows), PULL_OF_ITERATIONS
        path = LeafPath(model, rows, refits=True, pull=pull)
        path.sweep()
        trees = replace(work.model.trees, value=path.value)
        return replace(work, model=replace(model, trees=trees))

    def auto_shares(self, work, unit, context):
        return MILESTONES if unit == "auto" else super().auto_shares(work, unit, context)

    def options(self, work, request, context):
        may_refit = request.unit == "auto" and request.refit and not work.monotonic
        return OPTIONS if may_refit else (None,)

    def plan(self, work, shares, request, context):
        """Merge sibling leaves, refit the rest, drop trees that have no split left."""
        smaller = []
        rows = self.training_rows(work, context)
        for path in self._paths(work, shares, request, rows, context):
            smaller.append(replace(work, model=path.trees_now(), small_leaves=True))
        return smaller

    def _paths(self, work, shares, request, rows, context):
        """The path at each share.

        On its way it refits at all milestones, whatever is asked for, or, where there is
        a schedule, after each of its rounds.
        """
        keys = None
        if request.criterion is not None:
            n_nodes = work.model.trees.n_nodes
            keys = _random_keys(request.criterion, context.seed, n_nodes)
        refits = request.option == "refit"
        path = LeafPath(work.model, rows, refits, keys)
        total = path.n_parameters()
        stops = list(MILESTONES)
        for share in shares:
            if request.schedule is None:
                while stops and stops[0] >= share:
                    path.advance(parameter_budget(stops.pop(0), total))
                part = path.copy()
            else:
                part = path.copy()
                for stop in request.schedule.shares(share)[:-1]:
                    part.advance(parameter_budget(stop, total))
            part.advance(parameter_budget(share, total))
            yield part

    def whole_outputs(self, work, fold):
        shift = score_shift(work.model, fold.outside)
        if np.ndim(shift) == 0:
            return super().whole_outputs(work, fold)
        leaves = self._leaves(work, work.model, fold.outside.X)
        raw = (raw_scores(work.model, leaves) + shift).T
        return Outputs.of(ScoredRows.of(self.compact(work), raw), fold.outside)

    def fold_outputs(self, work, shares, requests, fold):
        """As by default, but each row walks each tree once for all sizes of the plan."""
        if requests[0].unit != "auto":
            yield from super().fold_outputs(work, shares, requests, fold)
            return
        rows = self.training_rows(work, fold.inside)
        leaves = self._leaves(work, work.model, fold.outside.X)
        scored, shift = self.compact(work), score_shift(work.model, fold.outside)

        def outputs(request):
            for path in self._paths(work, shares, request, rows, fold.inside):
                if fits_half(path.value):
                    path.value = path.value.astype(np.float16).astype(np.float64)
                raw = ScoredRows.of(scored, (path.scores(leaves) + shift).T)
                yield Outputs.of(raw, fold.outside), path.n_parameters()

        yield from map(outputs, requests)

    def training_targets(self, work, context):
        """The loss of the scores, class codes or targets, and weights of the rows.

        The loss is None where it cannot be minimised again from zero scores.
        """
        y = context.target
        if work.model.classes is not None:
            y = np.searchsorted(work.model.classes, y)
        if work.model.weights_by_code:
            context = replace(context, y=y)
        starts = any(context.fit_params.get(name) is not None for name in STARTS)
        return None if starts else work.model.loss, y, context.row_weights()

    def is_monotonic(self, work):
        """Whether scores have to rise or fall with a feature."""
        return work.monotonic

    def training_rows(self, work, context):
        """Where rows of the context end, and the scores that they should keep.

        The scores to keep have no noise, so that some thousands of rows will do.
        """
        _, y, weights = self.training_targets(work, context)
        n_rows = len(y)
        weights = np.ones(n_rows) if weights is None else weights
        if work.model.weights_by_code:
            context = replace(context, y=y)
        if n_rows > MOST_ROWS:
            keys = row_keys(context.role_seed("refit-rows"), n_rows)
            chosen = np.sort(np.argsort(keys, kind="stable")[:MOST_ROWS])
            context, y, weights = context.on(chosen), y[chosen], weights[chosen]
        whole = None
        if work.whole is not work.model:
            whole = raw_scores(work.whole, self._leaves(work, work.whole, context.X))
            whole *= work.model.divisor / work.whole.divisor
        leaves = self._leaves(work, work.model, context.X)
        shift = score_shift(work.model, context)
        return training_rows(
            work.model, leaves, y.astype(np.float64), weights, whole, shift
        )

    def _leaves(self, work, model, X):
        """Node in which each row ends, by (tree, row)."""
        if model is not work.model:
            work = replace(work, model=model)
        compact = self.compact(work)
        return leaf_nodes(model.trees, compact.trees_, compact._check(X))

    def weights(self, work, unit, context):
        """Gain of a split, or the largest of one below it: no split outlives its parent."""
        trees = work.model.trees
        return max_below(trees, trees.gain)[~trees.is_leaf, None]

    def removal_losses(self, work, unit, context):
        """Rise of the loss, to second order, when all below a split becomes one leaf."""
        model = work.model
        path = LeafPath(model, self.training_rows(work, context), refits=False)
        return collapse_costs(model.trees, path.curvature)

    def contributions(self, work, unit, measure, context):
        """Order of the iterations, each the best beside those before it, by the measure.

        The rows are those that the model was fitted on.
        """
        return Ranking(greedy_order(work.model, self.training_rows(work, context), measure))

    def penalised(self, work, unit, penalty, context):
        if unit == "node":
            path = penalised_path(work.model, self.training_rows(work, context), penalty)
            trees = replace(work.model.trees, value=path.value)
            costs = collapse_costs(trees, path.curvature)
            if work.monotonic:
                return work, costs
            fill_inner_values(trees)
            trained = replace(work, model=replace(work.model, trees=trees))
            return trained, costs
        strengths = lasso_strengths if penalty == "l1" else ridge_strengths
        rows = self.training_rows(work, context)
        return work, strengths(*quadratic_parts(work.model, rows))


def importances_of_splits(model, kind=None):
    """Importance of each feature from the splits of a BoostedModel, as its library counts.

    scikit-learn's is the total gain of the splits, as a share. LightGBM's is their number
    ("split", the default) or total gain ("gain"). XGBoost's is, as a share, their mean gain
    ("gain", the default), number ("weight"), mean weight of rows ("cover"), or the total
    of one of these ("total_gain", "total_cover").
    """
    trees, library = model.trees, model.library
    splits = ~trees.is_leaf
    values = trees.gain
    if library == "gradient":  # of a tree, relative to its rows
        values = values / trees.weight[trees.roots][trees.tree_of_nodes()]
    elif library == "lightgbm":
        splits = splits & (values > 0)
    kind = kind or ("split" if library == "lightgbm" else "gain")
    if kind.endswith("cover"):
        values = trees.weight
    features, n_features = trees.feature[splits].astype(np.int64), model.n_features
    counts = np.bincount(features, minlength=n_features)
    if kind in ("split", "weight"):
        found = counts
    else:
        found = np.bincount(features, values[splits], minlength=n_features)
        if library == "xgboost" and not kind.startswith("total"):
            found = found / np.maximum(counts, 1)
    if library == "lightgbm":
        return found.astype(np.int32) if kind == "split" else found
    found = found / (found.sum() or 1.0)
    return found.astype(np.float32) if library == "xgboost" else found


def score_shift(model, context):
    """What `init_score` or `base_margin` adds to raw scores, by (output, row), or 0.0.

    XGBoost puts the margin in the place of its own start.
    """
    for name in STARTS:
        values = context.fit_params.get(name)
        if values is None:
            continue
        values = np.asarray(values, dtype=np.float64)
        n_rows, n_outputs = len(context.target), len(model.start)
        if values.shape not in ((n_rows,), (n_rows, n_outputs)) or (
            values.ndim == 1 and n_outputs > 1
        ):
            shape = (n_rows, n_outputs) if n_outputs > 1 else (n_rows,)
            raise InvalidParameterError(
                f"{name} must have a row for each row of X. Got shape {values.shape}. Pass "
                f"shape {shape}."
            )
        shift = values.reshape(n_rows, -1).T
        return shift - model.start[:, None] if name == "base_margin" else shift
    return 0.0


def _random_keys(criterion, seed, n_nodes):
    seed = seed if criterion.random_state is None else criterion.random_state
    return row_keys(derive_seed(draw_seed(seed), "random-units"), n_nodes)


def flat_trees(model, small_leaves=False):
    """The trees in the flat form."""
    trees, n_outputs = model.trees, model.n_outputs
    small_leaves = small_leaves and fits_half(trees.value[trees.is_leaf])
    output = trees.output
    if np.array_equal(output, np.resize(np.arange(n_outputs), len(output))):
        output = np.arange(n_outputs)
    float32 = DIALECTS[model.library].float32 and not trees.category_sets
    return FlatTrees.build(
        trees,
        model.n_features,
        exact_float64_thresholds=not float32,
        n_outputs=n_outputs,
        output_column=output,
        category_sets=trees.category_sets,
        table=_half_table if small_leaves else leaf_table,
    )


def fits_half(values):
    """Whether half floats hold these leaf values well."""
    return HALF_RANGE[0] < np.abs(values).max(initial=0.0) < HALF_RANGE[1]


def _half_table(rows, totals, bounds):
    return ValueLeaves(QuantizedArray(rows.astype(np.float16)))
