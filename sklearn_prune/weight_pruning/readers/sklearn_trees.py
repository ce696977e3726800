"""Read scikit-learn's fitted trees."""

import numpy as np

from sklearn_prune.weight_pruning.compact._tree_arrays import TreeArrays


def read_trees(model, n_trees=None):
    """The trees of a decision tree, a forest, or a bagging of trees, or the first of them.

    Parameters
    ----------
    model : estimator
        Fitted. Members of a bagging may have seen a part of the features and classes.
    n_trees : int or None, default=None
        How many; None for all.

    Returns
    -------
    list of TreeArrays
        Class shares, or means, of all outputs side by side. What can be is a view.
    """
    members = getattr(model, "estimators_", [model])[:n_trees]
    trees = [_read_tree(member.tree_) for member in members]
    if hasattr(model, "estimators_features_"):
        n_classes = getattr(model, "n_classes_", None)
        for tree, member, features in zip(
            trees, members, model.estimators_features_, strict=False
        ):
            tree.feature = np.asarray(features)[np.maximum(tree.feature, 0)]
            if n_classes is not None and len(member.classes_) < n_classes:
                shares = np.zeros((tree.n_nodes, n_classes))
                shares[:, np.asarray(member.classes_, dtype=np.intp)] = tree.value
                tree.value = shares
    return trees


def _read_tree(tree):
    n_classes = np.atleast_1d(tree.n_classes)
    return TreeArrays(
        tree.children_left,
        tree.children_right,
        tree.feature,
        tree.threshold,
        np.hstack([tree.value[:, k, :n] for k, n in enumerate(n_classes)]),
        tree.missing_go_to_left,
        weight=tree.weighted_n_node_samples,
        rows=tree.n_node_samples,
        impurity=tree.impurity,
    )
