"""Fitted models of scikit-learn, read as plain values."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse

from sklearn_prune.predictors import TreeArrays


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


@dataclass(frozen=True)
class LibsvmModel:
    """A fitted SVC, NuSVC, SVR or NuSVR.

    Parameters
    ----------
    kind : {"c_svc", "nu_svc", "epsilon_svr", "nu_svr"}
        Which problem was solved.
    gamma : float
        Of the kernel.
    points : ndarray or CSR matrix of shape (n_points, n_features)
        Support vectors, those of one class side by side.
    coefficients : ndarray of shape (n_points, n_columns)
        Their dual coefficients.
    intercepts : ndarray of shape (n_pairs,) or (1,)
        One for each pair of classes.
    n_support : ndarray of shape (n_classes,)
        How many points each class has.
    platt : ndarray of shape (2, n_pairs), or None
        Coefficients of the probabilities.
    """

    kind: str
    gamma: float
    points: object
    coefficients: np.ndarray
    intercepts: np.ndarray
    n_support: np.ndarray
    platt: np.ndarray | None


def read_libsvm(model):
    """The arrays of a model of libsvm, copied."""
    coefficients, points = model._dual_coef_, model.support_vectors_
    coefficients = coefficients.toarray() if issparse(coefficients) else coefficients
    platt = np.stack([model._probA, model._probB]) if model._probA.size else None
    return LibsvmModel(
        model._impl,
        model._gamma,
        points.tocsr() if issparse(points) else np.array(points),
        np.ascontiguousarray(coefficients.T),
        np.array(model._intercept_, dtype=np.float64),
        model._n_support,
        platt,
    )


def n_classes_with_support(model):
    """How many classes of a kernel machine have support vectors; 0 where it has none."""
    return len(getattr(model, "_n_support", ()))


def target_scale(process):
    """Mean and spread by which a Gaussian process has scaled its targets."""
    return process._y_train_mean, process._y_train_std


def stored_rows(neighbors):
    """The rows of a nearest neighbours model, and their targets or class codes."""
    return neighbors._fit_X, np.asarray(neighbors._y)


def search_method(neighbors):
    """How a fitted nearest neighbours model searches: "brute", "kd_tree" or "ball_tree"."""
    return neighbors._fit_method


def inner_estimator(container):
    """The estimator that a container fits: its own, or the default one of its class."""
    return container._get_estimator()


def label_binarizer(model):
    """What turned labels into numbers for a linear model or a net, or None."""
    return getattr(model, "_label_binarizer", None)


def set_label_binarizer(model, binarizer):
    """Give a rebuilt model its binarizer."""
    model._label_binarizer = binarizer


def label_encoder(stacking):
    """What turned labels into codes: an encoder, a list of them, or None."""
    return getattr(stacking, "_label_encoder", None)


def set_label_encoder(stacking, encoder):
    """Give a rebuilt model its encoder."""
    stacking._label_encoder = encoder


def base_loss(model):
    """The loss object of a generalized linear model, or None."""
    return getattr(model, "_base_loss", None)


def set_base_loss(model):
    """Give a rebuilt generalized linear model its loss; leave others as they are."""
    if hasattr(model, "_get_loss"):
        model._base_loss = model._get_loss()


def ready_to_go_on(net):
    """Set what `partial_fit` of a rebuilt net counts."""
    net._no_improvement_count = 0


def drop_optimizer(net):
    """Drop the state of the optimizer of a fitted net."""
    del net._optimizer


def positive_label(threshold_classifier):
    """The label that scores above the threshold mean; None for the second class."""
    scorer = getattr(threshold_classifier, "_curve_scorer", None)
    return threshold_classifier.pos_label if scorer is None else scorer._get_pos_label()


def target_dimensions(regressor):
    """Number of dimensions of the targets of a TransformedTargetRegressor."""
    return regressor._training_dim


def set_target_dimensions(regressor, n_dims):
    """Give a rebuilt TransformedTargetRegressor this number."""
    regressor._training_dim = n_dims


def voting_weights(model):
    """Weights of the members that vote, or None."""
    return model._weights_not_none


def set_thresholds(isotonic, X_thresholds, y_thresholds):
    """Give an IsotonicRegression its curve."""
    isotonic.X_thresholds_, isotonic.y_thresholds_ = X_thresholds, y_thresholds
    isotonic.X_min_, isotonic.X_max_ = X_thresholds[0], X_thresholds[-1]
    isotonic.increasing_ = True
    isotonic._build_f(X_thresholds, y_thresholds)
