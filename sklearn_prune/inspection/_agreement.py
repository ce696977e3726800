"""How far the explanations of several fits of one model agree."""

import numpy as np
from scipy.stats import spearmanr

from sklearn_prune._lazy import has
from sklearn_prune.inspection._shap import checked_rows, shap_trees, tree_model
from sklearn_prune.models.trees import extract_rules
from sklearn_prune.predictors import dense
from sklearn_prune.weight_pruning import compact_form, shipped

_MOST_LEAVES = 20_000  # of trees whose rules are counted
_MOST_STEPS = 5e8  # of SHAP, about a second
_FEWEST_ROWS = 10


def importances(model, background, X):
    """Mean absolute SHAP value of each column, over rows of X and over outputs.

    Values are path-dependent. Of large trees the first rows are explained, at least ten.
    The result is empty for models that are not of trees, for very large ones, and where
    shap is not installed.
    """
    try:
        trees = shap_trees(shipped(model), background)
    except TypeError:
        return np.zeros(0)
    n_rows = int(_MOST_STEPS // max(1, trees._n_steps))
    if n_rows < 1 or not has("shap"):
        return np.zeros(0)
    rows = trees.rows(X)[: max(n_rows, _FEWEST_ROWS)]
    from shap import TreeExplainer

    values = np.abs(TreeExplainer(trees).shap_values(rows, check_additivity=False))
    return values.reshape(*rows.shape, -1).mean(axis=(0, 2))


def n_features_read(model):
    """Number of columns that the predictions depend on; NaN where that is not known."""
    model = shipped(model)
    try:
        trees = shap_trees(model)["trees"]
    except TypeError:
        coefficients = getattr(model, "coef_", None)
        if coefficients is None:
            return np.nan
        coefficients = dense(coefficients)
        return float(np.count_nonzero(np.atleast_2d(coefficients).any(axis=0)))
    read = np.unique(np.concatenate([tree["features"] for tree in trees]))
    return float(np.count_nonzero(read >= 0))


def n_rules(model, background):
    """Number of distinct rules of the trees; NaN for other models, and very large ones."""
    try:
        trees, outer = tree_model(compact_form(shipped(model), "rules"))
    except TypeError:
        return np.nan
    if trees.trees_.n_leaves > _MOST_LEAVES:
        return np.nan
    rows = checked_rows(trees, outer, background)
    found, _ = extract_rules(trees, rows, missing=np.isnan(rows).any(axis=0))
    return float(len(found))


def rank_correlation(one, other):
    """Spearman's correlation of two vectors of importances; NaN where one is constant."""
    if len(one) != len(other) or len(one) < 2 or not (np.ptp(one) and np.ptp(other)):
        return np.nan
    return float(spearmanr(one, other).statistic)


def top_overlap(one, other, n=5):
    """Share of the n most important columns that two vectors have in common."""
    n = min(n, len(one))
    if len(one) != len(other) or not n:
        return np.nan
    first, second = (set(np.argsort(-each, kind="stable")[:n]) for each in (one, other))
    return len(first & second) / n
