"""Linear models: coefficients and whole features."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import is_classifier
from sklearn.preprocessing import LabelBinarizer

from sklearn_prune.weight_pruning._family import Family, UnitTable
from sklearn_prune.weight_pruning.compact._linear import (
    CompactLinearClassifier,
    CompactLinearRegressor,
)
from sklearn_prune.weight_pruning.criteria import (
    MagnitudeCriterion,
    PenaltyCriterion,
    RandomCriterion,
    SecondOrderCriterion,
    TaylorCriterion,
)
from sklearn_prune.weight_pruning.families._feature import spreads
from sklearn_prune.weight_pruning.families._linear_curvature import (
    effects_of_coefficients,
    losses_of_removal,
    output_variances,
)
from sklearn_prune.weight_pruning.families._linear_penalty import path_strengths, shrunken
from sklearn_prune.weight_pruning.families._linear_refit import fit_masked

_CRITERIA = (
    SecondOrderCriterion,
    PenaltyCriterion,
    MagnitudeCriterion,
    TaylorCriterion,
    RandomCriterion,
)


@dataclass(frozen=True)
class LinearWork:
    """Coefficients with a mask of those that are left.

    Parameters
    ----------
    model : estimator
        As it was fitted, for what is not coefficients.
    coefficients : ndarray of shape (n_outputs, n_features)
        Zero where the mask is False.
    intercepts : ndarray of shape (n_outputs,)
        One for each output.
    mask : ndarray of shape (n_outputs, n_features), bool
        The coefficients that are left.
    """

    model: object
    coefficients: np.ndarray
    intercepts: np.ndarray
    mask: np.ndarray


class LinearFamily(Family):
    """Linear models under any loss; a unit is a coefficient or the column of a feature."""

    units = ("coefficient",)
    criteria = {"coefficient": _CRITERIA, "feature": _CRITERIA}

    def accepts(self, model):
        if not hasattr(model, "coef_"):
            return None
        return None if np.ndim(model.coef_) in (1, 2) else "its coefficients are no matrix"

    def start(self, model, context):
        coefficients = model.coef_
        if hasattr(coefficients, "toarray"):
            coefficients = coefficients.toarray()
        coefficients = np.atleast_2d(coefficients)
        intercepts = np.broadcast_to(
            np.atleast_1d(model.intercept_), (len(coefficients),)
        ).astype(coefficients.dtype)
        mask = np.ones(coefficients.shape, dtype=bool)
        return LinearWork(model, coefficients, intercepts, mask)

    def table(self, work, unit, context):
        if unit == "feature":
            columns = np.flatnonzero(work.mask.any(axis=0))
            counts = work.mask.sum(axis=0)[columns]
            return UnitTable(columns, counts, fixed=len(work.intercepts))
        ids = np.flatnonzero(work.mask)
        return UnitTable(ids, np.ones(len(ids), dtype=np.int64), fixed=len(work.intercepts))

    def apply(self, work, unit, kept, context):
        mask = np.zeros(work.mask.size, dtype=bool)
        mask[np.flatnonzero(work.mask)[kept]] = True
        mask = mask.reshape(work.mask.shape)
        return replace(work, mask=mask, coefficients=np.where(mask, work.coefficients, 0))

    def refit(self, work, unit, context):
        coefficients, intercepts = fit_masked(work, context)
        return replace(work, coefficients=coefficients, intercepts=intercepts)

    def compact(self, work):
        compact = _compact_class(work.model)()
        coefficients, columns = work.coefficients, None
        used = np.flatnonzero(coefficients.any(axis=0))
        if len(used) < coefficients.shape[1]:
            coefficients = coefficients[:, used]
            columns = used.astype(np.min_scalar_type(work.mask.shape[1]))
        flat = np.ndim(work.model.coef_) == 1
        compact.coefficients_ = np.array(coefficients[0] if flat else coefficients)
        scalar = np.ndim(work.model.intercept_) == 0
        same = len(work.intercepts) == 1
        compact.intercepts_ = (
            work.intercepts[0] if scalar and same else np.array(work.intercepts)
        )
        if scalar and not same and not work.intercepts.any():
            compact.intercepts_ = work.intercepts.dtype.type(0)
        compact.columns_ = columns
        for name in ("classes_", "n_features_in_", "feature_names_in_"):
            if hasattr(work.model, name):
                setattr(compact, name, np.copy(getattr(work.model, name)))
        compact.n_features_in_ = work.mask.shape[1]
        if isinstance(compact, CompactLinearClassifier):
            compact.probabilities_ = _probabilities_of(work.model)
            compact.multilabel_ = bool(getattr(work.model, "_label_binarizer", None)) and (
                work.model._label_binarizer.y_type_.startswith("multilabel")
            )
        else:
            compact.link_ = _link_of(work.model)
        return compact

    def count(self, work):
        n = int(work.mask.sum()) + len(work.intercepts)
        return n, np.count_nonzero(work.coefficients) + np.count_nonzero(work.intercepts)

    def restore(self, compact, template, context=None):
        template.coef_ = compact.coef_
        template.intercept_ = compact.intercept_
        if type(template).__name__.startswith("RidgeClassifier"):
            labels = compact.classes_
            if compact.multilabel_:
                labels = np.eye(len(labels), dtype=int)
            template._label_binarizer = LabelBinarizer(neg_label=-1).fit(labels)
        for name in ("classes_", "n_features_in_", "feature_names_in_"):
            if hasattr(compact, name):
                setattr(template, name, getattr(compact, name))
        if hasattr(template, "_get_loss"):  # generalized linear models
            template._base_loss = template._get_loss()
        return template

    def weights(self, work, unit, context):
        scaled = work.coefficients * spreads(context.array)
        scaled = scaled / np.sqrt(output_variances(work, context))[:, None]
        if unit == "feature":
            return scaled.T
        return scaled[work.mask][:, None]

    def gradient_effects(self, work, unit, context):
        return effects_of_coefficients(work, unit, context)

    def removal_losses(self, work, unit, context):
        return losses_of_removal(work, unit, context)

    def penalised(self, work, unit, penalty, context):
        if penalty == "l1":
            return work, path_strengths(work, unit, context)
        trained = shrunken(work, context)
        scaled = np.abs(trained * spreads(context.array))
        if unit == "feature":
            return work, np.linalg.norm(scaled, axis=0)
        return work, scaled[work.mask]


def _compact_class(model):
    return CompactLinearClassifier if is_classifier(model) else CompactLinearRegressor


def _probabilities_of(model):
    """How scores become probabilities, or None where the model gives none."""
    if not hasattr(model, "predict_proba"):
        return None
    loss = getattr(model, "loss", None)
    if loss == "modified_huber":
        return "modified_huber"
    return "logistic" if loss == "log_loss" else "softmax"


def _link_of(model):
    """The function that the sums of a generalized linear model go through."""
    base_loss = getattr(model, "_base_loss", None)
    name = type(base_loss.link).__name__ if base_loss is not None else "IdentityLink"
    return {"LogLink": "log", "LogitLink": "logit"}.get(name, "identity")
