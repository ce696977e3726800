"""A support vector machine as libsvm reads it."""

from copy import copy

import numpy as np

from sklearn_prune.weight_pruning.compact._quantized import dense
from sklearn_prune.weight_pruning.compact._rows import is_sparse


def as_libsvm(compact, template=None):
    """An SVC, or a model of the class of `template`, that holds the compact form."""
    from sklearn.svm import SVC

    model = SVC() if template is None else copy(template)
    kernel = compact.kernel_
    if template is None:
        model.kernel, model.degree, model.coef0 = kernel.name, kernel.degree, kernel.coef0
        model.decision_function_shape = "ovo"
    points, coefficients = points_and_coefficients(compact)
    sizes = np.asarray(compact.n_support_)
    n_classes = len(compact.classes_)
    if compact.points_ is None:  # the normal of each pair is a vector of its first class
        low, high = np.triu_indices(n_classes, 1)
        coefficients = np.zeros((len(low), n_classes - 1))
        coefficients[np.arange(len(low)), high - 1] = 1.0
        sizes = np.bincount(low, minlength=n_classes)
    hold(model, points, coefficients, compact)
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


def hold(model, points, coefficients, compact):
    """Set what libsvm's prediction reads."""
    model._gamma = 0.0 if compact.kernel_.gamma is None else compact.kernel_.gamma
    model._sparse = compact.sparse_
    model.support_ = np.arange(len(points), dtype=np.int32)
    coefficients = np.ascontiguousarray(coefficients.T)
    if compact.sparse_:  # libsvm reads the coefficients as if all of them were stored
        from scipy.sparse import csr_matrix

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


def points_and_coefficients(compact):
    """Dense float64 points in their own place, and coefficients."""
    coefficients = np.array(dense(compact.coefficients_), dtype=np.float64, order="C")
    if compact.points_ is None:
        return np.ascontiguousarray(coefficients.T), np.eye(coefficients.shape[1])
    points = compact.points_
    points = points.toarray() if is_sparse(points) else dense(points)
    points = np.array(points, dtype=np.float64, order="C")
    if compact.center_ is not None:
        points += compact.center_
    return points, coefficients
