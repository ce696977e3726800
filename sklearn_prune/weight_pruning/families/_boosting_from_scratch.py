"""Small boosting models that are trained from scratch."""

from sklearn.base import clone

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
_RATE_OF_XGBOOST, _ITERATIONS_OF_XGBOOST = 0.3, 100  # which its estimators leave None


def boosting_from_scratch(estimator, size):
    """The model with fewer iterations, each of which learns more.

    Notes
    -----
    The learning rate times the number of iterations stays, up to a rate of a half: at
    the old rate a tenth of the iterations end far from where all would have led, and any
    pruned model looks good beside that. On seven data sets, with 100 iterations before
    and sizes from a half to a hundredth, this lies two or three points below the best of
    a grid of iterations, leaves and rates; the old rate lies 16 points below.
    Instead of fewer than five iterations there are fewer leaves. Trees become smaller as
    a model learns: where the bound of the rate leaves less to be learnt than before, no
    tree has more leaves than the size allows in the mean.
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
