"""A pruned boosting model as an object of the scikit-learn class that it came from."""

import numpy as np
from sklearn.base import clone

from sklearn_prune.predictors import copy_attributes


def restore_model(compact, template):
    """A fitted model of the class of `template` that holds the trees of a predictor.

    What scikit-learn sets in `fit` comes from a fit on a few rows of zeros, so that only
    the trees and where they start are written here. GradientBoosting starts from zero and
    has its start in its first trees, which rounds scores in the last digit.
    """
    name = type(template).__name__
    if compact.library_ not in _WRITERS:
        raise AttributeError(
            f"{name} builds its own model and takes no other. Use compact_ instead."
        )
    if compact.categories_ is not None:
        raise AttributeError(
            f"{name} with categorical columns cannot be rebuilt without its data. Use "
            "compact_ instead."
        )
    params = template.get_params()
    if params["learning_rate"] == 0 and compact.library_ == "gradient":
        raise AttributeError(
            f"{name} with learning_rate=0.0 does not ask its trees. Use compact_ instead."
        )
    write, free = _WRITERS[compact.library_]
    model = clone(template).set_params(**free)
    y = np.repeat(getattr(compact, "classes_", np.array([1.0, 2.0])), 2)
    model.fit(np.zeros((len(y), compact.n_features_in_)), y)
    write(model, _rounds(compact), compact.start_)
    copy_attributes(compact, model, "feature_names_in_")
    return model.set_params(**params)


def _rounds(compact):
    """The trees of each iteration, one for each output, None where there is none."""
    trees = compact.trees_.to_arrays()
    outputs = np.resize(compact.trees_.output_column, trees.n_trees)
    rounds, last = [], len(compact.start_)
    for tree, output in zip(trees.one_by_one(), outputs, strict=True):
        if output <= last:
            rounds.append([None] * len(compact.start_))
        rounds[-1][output] = tree
        last = output if output < len(compact.start_) - 1 else len(compact.start_)
    return rounds


def _write_hist(model, rounds, start):
    example = model._predictors[0][0]

    def predictor(tree):
        nodes = np.zeros(1 if tree is None else len(tree.left), dtype=example.nodes.dtype)
        if tree is None:
            nodes["is_leaf"] = 1
        else:
            is_leaf = tree.left < 0
            nodes["is_leaf"] = is_leaf
            nodes["value"] = tree.value[:, 0]
            nodes["feature_idx"] = np.where(is_leaf, 0, tree.feature)
            nodes["num_threshold"] = np.where(is_leaf, 0.0, tree.threshold)
            nodes["left"], nodes["right"] = (
                np.maximum(tree.left, 0),
                np.maximum(tree.right, 0),
            )
            nodes["missing_go_to_left"] = tree.missing == 1
        no_sets = np.zeros((0, 8), dtype=np.uint32)
        return type(example)(nodes, no_sets, no_sets)

    model._predictors = [[predictor(tree) for tree in trees] for trees in rounds]
    model._baseline_prediction = np.asarray(start, dtype=np.float64).reshape(1, -1)
    model.train_score_ = model.validation_score_ = np.zeros(0)


def _write_gradient(model, rounds, start):
    example = model.estimators_[0, 0]

    def member(tree, added):
        n_nodes = 1 if tree is None else len(tree.left)
        state = example.tree_.__getstate__()
        nodes = np.zeros(n_nodes, dtype=state["nodes"].dtype)
        nodes["left_child"] = nodes["right_child"] = -1
        nodes["feature"], nodes["threshold"] = -2, -2.0
        value = np.zeros(n_nodes)
        if tree is not None:
            is_split = tree.left >= 0
            nodes["left_child"], nodes["right_child"] = tree.left, tree.right
            nodes["feature"][is_split] = tree.feature[is_split]
            nodes["threshold"][is_split] = tree.threshold[is_split]
            value = tree.value[:, 0]
        nodes["n_node_samples"] = nodes["weighted_n_node_samples"] = 1
        fitted = clone(example)
        vars(fitted).update(vars(example))
        fitted.tree_ = type(example.tree_)(example.tree_.n_features, np.array([1]), 1)
        fitted.tree_.__setstate__(
            {
                "max_depth": n_nodes.bit_length(),
                "node_count": n_nodes,
                "nodes": nodes,
                "values": np.ascontiguousarray((value + added) / model.learning_rate)[
                    :, None, None
                ],
            }
        )
        return fitted

    members = [
        [member(tree, start[k] if number == 0 else 0.0) for k, tree in enumerate(trees)]
        for number, trees in enumerate(rounds)
    ]
    model.estimators_ = np.array(members, dtype=object)
    model.n_estimators_ = len(members)
    model.train_score_ = np.zeros(len(members))


_WRITERS = {  # and the parameters of the fit that is written into
    "gradient": (
        _write_gradient,
        {
            "n_estimators": 1,
            "init": "zero",
            "warm_start": False,
            "ccp_alpha": 0.0,
            "n_iter_no_change": None,
            "subsample": 1.0,
        },
    ),
    "hist": (
        _write_hist,
        {
            "max_iter": 1,
            "early_stopping": False,
            "warm_start": False,
            "monotonic_cst": None,
            "interaction_cst": None,
            "categorical_features": None,
        },
    ),
}
