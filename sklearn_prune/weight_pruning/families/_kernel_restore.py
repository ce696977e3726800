"""From the compact form of a kernel machine back to the scikit-learn class."""

from copy import copy

import numpy as np
from scipy.linalg import cholesky
from scipy.sparse import csr_matrix, issparse
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.svm import SVC

from sklearn_prune.weight_pruning._quantize import dense
from sklearn_prune.weight_pruning.compact._kernel import CompactSVC
from sklearn_prune.weight_pruning.compact._process import (
    CompactProcess,
    CompactProcessClassifier,
)


def restored(compact, template):
    """A fitted model of the class of the unfitted `template` that predicts the same."""
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
        model.X_fit_, coefficients = _points_and_coefficients(compact)
        model.dual_coef_ = coefficients.ravel() if compact.flat_ else coefficients
    model.n_features_in_ = compact.n_features_in_
    if hasattr(compact, "feature_names_in_"):
        model.feature_names_in_ = compact.feature_names_in_
    return model


def as_libsvm(compact, template=None):
    """An SVC, or a model of the class of `template`, that holds the compact form."""
    model = SVC() if template is None else copy(template)
    kernel = compact.kernel_
    if template is None:
        model.kernel, model.degree, model.coef0 = kernel.name, kernel.degree, kernel.coef0
        model.decision_function_shape = "ovo"
    points, coefficients = _points_and_coefficients(compact)
    sizes = np.asarray(compact.n_support_)
    n_classes = len(compact.classes_)
    if compact.points_ is None:  # the normal of each pair is a vector of its first class
        low, high = np.triu_indices(n_classes, 1)
        coefficients = np.zeros((len(low), n_classes - 1))
        coefficients[np.arange(len(low)), high - 1] = 1.0
        sizes = np.bincount(low, minlength=n_classes)
    _hold(model, points, coefficients, compact)
    model._n_support = sizes.astype(np.int32)
    if n_classes == 2:
        model.dual_coef_, model.intercept_ = -model._dual_coef_, -model._intercept_
    if compact.probability_ is not None:
        model._probA, model._probB = (np.array(part) for part in compact.probability_)
        model._effective_probability = True
    model.classes_ = compact.classes_
    model.class_weight_ = np.ones(n_classes)
    model.n_features_in_ = compact.n_features_in_
    return model


def _hold(model, points, coefficients, compact):
    """Set what libsvm's prediction reads."""
    model._gamma = 0.0 if compact.kernel_.gamma is None else compact.kernel_.gamma
    model._sparse = compact.sparse_
    model.support_ = np.arange(len(points), dtype=np.int32)
    coefficients = np.ascontiguousarray(coefficients.T)
    if compact.sparse_:  # libsvm reads the coefficients as if all of them were stored
        rows, columns = coefficients.shape
        points = csr_matrix(points)
        places = np.tile(np.arange(columns), rows)
        ends = np.arange(rows + 1) * columns
        coefficients = csr_matrix((coefficients.ravel(), places, ends), coefficients.shape)
    model.support_vectors_ = points
    model.dual_coef_ = model._dual_coef_ = coefficients
    model._intercept_ = np.array(compact.offsets_, dtype=np.float64)
    model.intercept_ = model._intercept_.copy()
    model._probA = model._probB = np.empty(0)
    model._effective_probability = False
    model.fit_status_ = 0
    model.shape_fit_ = points.shape


def _points_and_coefficients(compact):
    """Dense float64 points in their own place, and coefficients."""
    coefficients = np.array(dense(compact.coefficients_), dtype=np.float64, order="C")
    if compact.points_ is None:
        return np.ascontiguousarray(coefficients.T), np.eye(coefficients.shape[1])
    points = compact.points_
    points = points.toarray() if issparse(points) else dense(points)
    points = np.array(points, dtype=np.float64, order="C")
    if compact.center_ is not None:
        points += compact.center_
    return points, coefficients


def _support_vector_regressor(compact, model):
    points, coefficients = _points_and_coefficients(compact)
    _hold(model, points, coefficients, compact)
    model._n_support = np.array([len(points), len(points)], dtype=np.int32)
    return model


def _process(compact, model):
    """The mean; the factor of the kernel matrix too where no row is gone."""
    points, coefficients = _points_and_coefficients(compact)
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
    points, coefficients = _points_and_coefficients(member)
    labels = compact.classes_.take((coefficients.ravel() > 0).astype(np.intp))
    model = GaussianProcessClassifier(kernel=member.kernel_.kernel, optimizer=None)
    return model.fit(points, labels).set_params(**template.get_params(deep=False))
