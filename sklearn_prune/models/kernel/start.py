"""Working forms of fitted kernel machines: points, coefficients, and what a refit needs."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import issparse

from sklearn_prune.models.readers import n_classes_with_support, read_libsvm, target_scale
from sklearn_prune.predictors import KernelFunction

_PAIRWISE = ("linear", "poly", "polynomial", "rbf", "sigmoid", "laplacian", "cosine")
_POSITIVE = ("chi2", "additive_chi2")


@dataclass(frozen=True)
class KernelWork:
    """A sum of kernels.

    Parameters
    ----------
    kind : {"svc", "scores", "svr", "ridge", "process"}
        Which loss it was fitted by; "scores" has one score for each class.
    kernel : KernelFunction
        The kernel.
    points : ndarray or CSR matrix of shape (n_points, n_features)
        The basis.
    coefficients : ndarray of shape (n_points, n_columns)
        As `KernelExpansion` has them.
    offsets : ndarray of shape (n_outputs,)
        What is added.
    ids : ndarray of shape (n_points,), int
        Numbers of the points in the model as it was fitted.
    codes : ndarray of shape (n_points,), int, or None
        Class codes of the points; they ascend.
    traits : dict
        What the predictor and the refit need besides.
    refitted : bool
        Whether the coefficients were estimated again.
    stays : bool
        Whether the refit has to leave the points where they are.
    """

    kind: str
    kernel: KernelFunction
    points: object
    coefficients: np.ndarray
    offsets: np.ndarray
    ids: np.ndarray
    codes: np.ndarray | None = None
    traits: dict = field(default_factory=dict)
    refitted: bool = False
    stays: bool = False

    def taking(self, kept):
        """The same with some of the points."""
        codes = None if self.codes is None else self.codes[kept]
        return replace(
            self,
            points=self.points[kept],
            coefficients=self.coefficients[kept],
            ids=self.ids[kept],
            codes=codes,
        )


def reason_against(model):
    """Why a model has no kernel expansion of its own, or None."""
    kernel = getattr(model, "kernel", None)
    if callable(kernel) and not hasattr(kernel, "requires_vector_input"):
        return "its kernel is a function of the user's"
    if kernel == "precomputed":
        return 'kernel="precomputed" keeps no points'
    kernel = getattr(model, "kernel_", kernel)
    if hasattr(kernel, "requires_vector_input"):
        if not kernel.requires_vector_input:
            return "its kernel does not read arrays"
        if type(model).__name__.startswith("GaussianProcess"):
            return None
        return "its kernel is an object"
    if type(model).__name__ == "OneClassSVM":
        return "it detects outliers"
    if isinstance(kernel, str) and kernel not in (*_PAIRWISE, *_POSITIVE):
        return f"kernel={kernel!r} is not known here"
    if n_classes_with_support(model) < len(getattr(model, "classes_", ())):
        return "it has a class whose rows weigh nothing"
    return None


def start_libsvm(model):
    """SVC, NuSVC, SVR, NuSVR."""
    found = read_libsvm(model)
    traits = {"n_features": model.n_features_in_, "cost": model.C}
    kind, codes = "svr", None
    if hasattr(model, "classes_"):
        kind = "svc"
        codes = np.repeat(np.arange(len(model.classes_)), found.n_support)
        traits |= {
            "classes": model.classes_,
            "probability": found.platt,
            "shape": model.decision_function_shape,
            "break_ties": model.break_ties,
        }
        if found.kind == "nu_svc":
            # The bound of the coefficients is the C with which SVC would be the same.
            traits["cost"] = float(np.abs(found.coefficients).max(initial=1e-12))
    elif found.kind == "nu_svr":
        traits["nu"] = model.nu
    else:
        traits["epsilon"] = model.epsilon
    return KernelWork(
        kind,
        KernelFunction(model.kernel, found.gamma, model.degree, model.coef0),
        found.points,
        found.coefficients,
        found.intercepts,
        np.arange(found.points.shape[0]),
        codes,
        traits | _names(model),
    )


def start_kernel_ridge(model):
    """KernelRidge."""
    points = model.X_fit_
    gamma = model.gamma
    if gamma is None and model.kernel in _PAIRWISE:
        gamma = 1.0 / points.shape[1]
    kernel = KernelFunction(model.kernel, gamma, model.degree, model.coef0)
    points = points.tocsr() if issparse(points) else np.array(points)
    flat = model.dual_coef_.ndim == 1
    coefficients = model.dual_coef_[:, None] if flat else model.dual_coef_
    return KernelWork(
        "ridge",
        kernel,
        points.astype(np.float64),
        np.array(coefficients, dtype=np.float64),
        np.zeros(coefficients.shape[1]),
        np.arange(points.shape[0]),
        None,
        {
            "flat": flat,
            "alpha": model.alpha,
            "n_features": points.shape[1],
            **_names(model),
        },
    )


def start_process(model):
    """GaussianProcessRegressor: the mean."""
    alpha = np.array(model.alpha_, dtype=np.float64)
    flat = alpha.ndim == 1 or alpha.shape[1] == 1
    coefficients = alpha[:, None] if alpha.ndim == 1 else alpha
    n_outputs = coefficients.shape[1]
    points = np.array(model.X_train_, dtype=np.float64)
    mean, scale = target_scale(model)
    scale = np.broadcast_to(scale, n_outputs).astype(np.float64)
    return KernelWork(
        "process",
        KernelFunction("object", kernel=model.kernel_),
        points,
        coefficients * scale,
        np.broadcast_to(mean, n_outputs).astype(np.float64),
        np.arange(len(points)),
        None,
        {
            "flat": flat,
            "alpha": model.alpha,
            "n_fitted": len(points),
            "scale": scale,
            "n_features": points.shape[1],
            **_names(model),
        },
    )


def _names(model):
    names = getattr(model, "feature_names_in_", None)
    return {} if names is None else {"names": names}
