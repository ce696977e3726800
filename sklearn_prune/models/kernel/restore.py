"""From the predictor of a kernel machine back to the scikit-learn class."""

from copy import copy

import numpy as np
from scipy.linalg import cholesky
from sklearn.gaussian_process import GaussianProcessClassifier

from sklearn_prune.predictors import (
    CompactKernelClassifier,
    CompactProcess,
    CompactProcessClassifier,
    CompactSVC,
    as_libsvm,
    copy_attributes,
    hold,
    points_and_coefficients,
)


def restored(compact, template):
    """A fitted model of the class of the unfitted `template` that predicts the same."""
    if isinstance(compact, CompactKernelClassifier):
        raise AttributeError(
            f"{type(template).__name__} holds coefficients of pairs of classes, and the "
            "pruned model has one score for each class. Use compact_ instead."
        )
    if isinstance(compact, CompactProcessClassifier):
        model = _process_classifier(compact, template)
    elif isinstance(compact, CompactSVC):
        model = as_libsvm(compact, template)
    elif isinstance(compact, CompactProcess):
        model = _process(compact, copy(template))
    elif hasattr(template, "epsilon") or hasattr(template, "nu"):
        model = _support_vector_regressor(compact, copy(template))
    else:
        model = copy(template)
        model.X_fit_, coefficients = points_and_coefficients(compact)
        model.dual_coef_ = coefficients.ravel() if compact.flat_ else coefficients
    return copy_attributes(compact, model, "n_features_in_", "feature_names_in_")


def _support_vector_regressor(compact, model):
    points, coefficients = points_and_coefficients(compact)
    hold(model, points, coefficients, compact)
    model._n_support = np.array([len(points), len(points)], dtype=np.int32)
    return model


def _process(compact, model):
    """The mean; the factor of the kernel matrix too where no row is gone."""
    points, coefficients = points_and_coefficients(compact)
    model.X_train_ = points
    model.kernel_ = compact.kernel_.kernel
    model._y_train_mean = np.array(compact.offsets_)
    model._y_train_std = compact.scale_
    alpha = coefficients / compact.scale_
    model.alpha_ = alpha.ravel() if compact.flat_ else alpha
    model.L_ = None
    if compact.whole_:
        matrix = model.kernel_(points)
        matrix[np.diag_indices_from(matrix)] += compact.noise_
        model.L_ = cholesky(matrix, lower=True)
    return model


def _process_classifier(compact, template):
    if len(compact.classes_) > 2:
        raise AttributeError(
            f"{type(template).__name__} makes several latent functions only in its own "
            "fit. Use compact_ instead."
        )
    member = compact.members_[0]
    points, coefficients = points_and_coefficients(member)
    labels = compact.classes_.take((coefficients.ravel() > 0).astype(np.intp))
    model = GaussianProcessClassifier(kernel=member.kernel_.kernel, optimizer=None)
    return model.fit(points, labels).set_params(**template.get_params(deep=False))
