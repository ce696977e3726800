"""From the compact form of a kernel machine back to the scikit-learn class."""

from copy import copy

import numpy as np
from sklearn.svm import SVC

from sklearn_prune.weight_pruning._quantize import dense


def as_libsvm(compact, template=None):
    """An SVC, or a model of the class of `template`, that holds the compact form."""
    model = SVC() if template is None else copy(template)
    points, coefficients, sizes = _vectors_by_class(compact)
    kernel = compact.kernel_
    model.set_params(kernel=kernel.name, degree=kernel.degree, coef0=kernel.coef0)
    if template is None:
        model.set_params(decision_function_shape="ovo")
    model._gamma = 0.0 if kernel.gamma is None else kernel.gamma
    model._sparse = False
    model.support_ = np.arange(len(points), dtype=np.int32)
    model.support_vectors_ = points
    model._n_support = sizes.astype(np.int32)
    model._dual_coef_ = np.ascontiguousarray(coefficients.T)
    model._intercept_ = np.array(compact.offsets_, dtype=np.float64)
    two = len(compact.classes_) == 2
    model.dual_coef_ = -model._dual_coef_ if two else model._dual_coef_
    model.intercept_ = -model._intercept_ if two else model._intercept_.copy()
    probability = getattr(compact, "probability_", None)
    empty = np.empty(0)
    model._probA, model._probB = (empty, empty) if probability is None else probability
    model._effective_probability = probability is not None
    model.classes_ = compact.classes_
    model.class_weight_ = np.ones(len(compact.classes_))
    model.fit_status_ = 0
    model.shape_fit_ = points.shape
    _name_features(model, compact)
    return model


def _vectors_by_class(compact):
    """Points in their own place, coefficients as libsvm has them, sizes of the classes."""
    coefficients = np.asarray(dense(compact.coefficients_), dtype=np.float64)
    n_classes = len(compact.classes_)
    if compact.points_ is None:
        return _one_vector_for_each_pair(coefficients, n_classes)
    points = compact.points_
    points = points.toarray() if hasattr(points, "toarray") else dense(points)
    points = np.array(points, dtype=np.float64, order="C")
    if compact.center_ is not None:
        points += compact.center_
    return points, coefficients, np.asarray(compact.n_support_)


def _one_vector_for_each_pair(coefficients, n_classes):
    """A linear machine: the normal of each pair is a vector of its first class."""
    low, high = np.triu_indices(n_classes, 1)
    dual = np.zeros((len(low), n_classes - 1))
    dual[np.arange(len(low)), high - 1] = 1.0
    sizes = np.bincount(low, minlength=n_classes)
    return np.ascontiguousarray(coefficients.T), dual, sizes


def _name_features(model, compact):
    model.n_features_in_ = compact.n_features_in_
    if hasattr(compact, "feature_names_in_"):
        model.feature_names_in_ = compact.feature_names_in_
