"""How linear models are pruned: by coefficients or by features."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.linear_model import ARDRegression, BayesianRidge
from sklearn.preprocessing import LabelBinarizer

from sklearn_prune.models.features import spreads
from sklearn_prune.models.linear.dropout import fit_with_dropout
from sklearn_prune.models.linear.losses import (
    effects_of_units,
    losses_of_removal,
    output_spreads,
)
from sklearn_prune.models.linear.penalty import l1_strengths, l2_coefficients
from sklearn_prune.models.linear.refit import fit_masked
from sklearn_prune.models.linear.sgd import initial_values, is_trained, prune_while_training
from sklearn_prune.models.readers import (
    base_loss,
    label_binarizer,
    set_base_loss,
    set_label_binarizer,
)
from sklearn_prune.predictors import (
    CompactBayesianRegressor,
    CompactLinearClassifier,
    CompactLinearRegressor,
    CompactMultilabelClassifier,
    copy_attributes,
)
from sklearn_prune.weight_pruning import (
    Accepted,
    Family,
    GradualSchedule,
    PrunesWhileTraining,
    Refused,
    Restores,
    UnitTable,
)
from sklearn_prune.weight_pruning.criteria import (
    MagnitudeCriterion,
    PenaltyCriterion,
    RandomCriterion,
    SecondOrderCriterion,
    TaylorCriterion,
)

_CRITERIA = (
    SecondOrderCriterion,
    PenaltyCriterion,
    MagnitudeCriterion,
    TaylorCriterion,
    RandomCriterion,
)
_QUANTITIES = ("removal_losses", "penalised", "weights", "gradient_effects")
_STD_ATTRIBUTES = ("sigma_", "alpha_", "lambda_", "X_offset_")  # for return_std=True


@dataclass(frozen=True)
class LinearWork:
    """The coefficients of a linear model, and a mask of those that are left.

    Parameters
    ----------
    model : estimator
        The fitted model, from which all but the coefficients and intercepts is read.
    coefficients : ndarray of shape (n_outputs, n_features)
        Zero where the mask is False.
    intercepts : float or ndarray of shape (n_outputs,)
        In the form of the `intercept_` of the model.
    mask : ndarray of shape (n_outputs, n_features), bool
        The coefficients that are left.
    """

    model: object
    coefficients: np.ndarray
    intercepts: object
    mask: np.ndarray


class LinearFamily(PrunesWhileTraining, Restores, Family):
    """Linear models of any loss; a unit is one coefficient, or all those of a feature."""

    units = ("coefficient",)
    criteria = {"coefficient": _CRITERIA, "feature": _CRITERIA}
    offers = {"coefficient": _QUANTITIES, "feature": _QUANTITIES}
    takes_dropout = True
    validates_float = True

    def accepts(self, model):
        name = type(model).__name__
        if name == "SGDOneClassSVM":
            return Refused("it detects outliers and has no targets")
        if getattr(model, "multi_class", None) == "crammer_singer":
            return Refused("crammer_singer trains all classes in one problem")
        binarizer = label_binarizer(model)
        if binarizer is not None and binarizer.sparse_input_:
            return Refused("its labels are a sparse matrix")
        return Accepted(self)

    def start(self, model, context):
        coefficients = model.coef_.toarray() if issparse(model.coef_) else model.coef_
        coefficients = np.atleast_2d(coefficients)
        mask = np.ones(coefficients.shape, dtype=bool)
        return LinearWork(model, coefficients, model.intercept_, mask)

    def table(self, work, unit, context):
        if unit == "feature":
            ids = np.flatnonzero(work.mask.any(axis=0))
            parameters = work.mask.sum(axis=0)[ids]
        else:
            ids = np.flatnonzero(work.mask)
            parameters = np.ones(len(ids), dtype=np.int64)
        return UnitTable(ids, parameters, fixed=np.size(work.intercepts))

    def apply(self, work, unit, kept, context):
        mask = np.zeros(work.mask.size, dtype=bool)
        mask[np.flatnonzero(work.mask)[kept]] = True
        mask = mask.reshape(work.mask.shape)
        coefficients = np.where(mask, work.coefficients, 0)
        return replace(work, mask=mask, coefficients=coefficients)

    def refit(self, work, unit, context):
        fit = fit_with_dropout if context.dropout > 0 else fit_masked
        coefficients, intercepts = fit(work, context)
        shape = np.shape(work.intercepts)
        intercepts = np.array(intercepts[0] if shape == () else intercepts)[()]
        return replace(work, coefficients=coefficients, intercepts=intercepts)

    def rewind(self, work, context):
        coefficients, intercepts = initial_values(work, context)
        coefficients = np.where(work.mask, coefficients, 0)
        return replace(work, coefficients=coefficients, intercepts=intercepts)

    def prunes_while_training(self, work, request):
        """Whether all cuts are made within one fit."""
        unit = self.units[0] if request.unit == "auto" else request.unit
        can_rank = request.criterion is None or self.ranks(unit, request.criterion)
        is_gradual = isinstance(request.schedule, GradualSchedule)
        return is_gradual and can_rank and is_trained(work.model)

    def reduce(self, work, shares, request, context):
        if not self.prunes_while_training(work, request):
            return super().reduce(work, shares, request, context)
        unit = self.units[0] if request.unit == "auto" else request.unit
        return [
            prune_while_training(self, work, unit, share, request, context)
            for share in shares
        ]

    def on_columns(self, work, columns):
        """The working form of the model that reads only these columns of X."""
        model = copy(work.model)
        model.n_features_in_ = len(columns)
        if hasattr(model, "feature_names_in_"):
            model.feature_names_in_ = model.feature_names_in_[columns]
        return replace(
            work,
            model=model,
            coefficients=work.coefficients[:, columns],
            mask=work.mask[:, columns],
        )

    def compact(self, work):
        model = work.model
        attributes = {}
        if is_classifier(model):
            cls = CompactLinearClassifier
            if _is_multilabel(model):
                cls = CompactMultilabelClassifier
            attributes["classes_"] = np.copy(model.classes_)
            attributes["probability_"] = _probability_of(model)
        elif isinstance(model, BayesianRidge | ARDRegression):
            cls = CompactBayesianRegressor
            if np.array_equal(work.coefficients, np.atleast_2d(model.coef_)):
                attributes = {name: getattr(model, name) for name in _STD_ATTRIBUTES}
                attributes["threshold_"] = getattr(model, "threshold_lambda", np.inf)
        else:
            cls = CompactLinearRegressor
            attributes["logarithmic_"] = _has_log_link(model)
        is_vector = np.ndim(model.coef_) == 1
        return cls.of(
            work.coefficients[0] if is_vector else work.coefficients,
            work.intercepts,
            work.mask.shape[1],
            getattr(model, "feature_names_in_", None),
            **attributes,
        )

    def count(self, work):
        n_intercepts = np.size(work.intercepts)
        nonzero = np.count_nonzero(work.coefficients) + np.count_nonzero(work.intercepts)
        return int(work.mask.sum()) + n_intercepts, nonzero

    def restore(self, compact, template):
        template.coef_ = compact.coef_
        template.intercept_ = compact.intercept_
        copy_attributes(compact, template)
        if getattr(compact, "sigma_", None) is not None:
            for name in _STD_ATTRIBUTES:
                setattr(template, name, getattr(compact, name))
        if type(template).__name__.startswith("RidgeClassifier"):
            labels = compact.classes_
            if isinstance(compact, CompactMultilabelClassifier):
                labels = np.vstack([np.ones_like(labels), np.eye(len(labels), dtype=int)])
            binarizer = LabelBinarizer(pos_label=1, neg_label=-1)
            set_label_binarizer(template, binarizer.fit(labels))
        set_base_loss(template)
        return template

    def weights(self, work, unit, context):
        """Coefficients for columns, and for several outputs, of unit variance."""
        scaled = work.coefficients * spreads(context.array)
        scaled = scaled / output_spreads(work, context)[:, None]
        return scaled.T if unit == "feature" else scaled[work.mask][:, None]

    def gradient_effects(self, work, unit, context):
        return effects_of_units(work, unit, context)

    def removal_losses(self, work, unit, context):
        return losses_of_removal(work, unit, context)

    def penalised(self, work, unit, penalty, context):
        if penalty == "l1":
            return work, l1_strengths(work, unit, context)
        coefficients = np.abs(l2_coefficients(work, context))
        if unit == "feature":
            return work, np.linalg.norm(coefficients, axis=0)
        return work, coefficients[work.mask]


def _is_multilabel(model):
    binarizer = label_binarizer(model)
    return binarizer is not None and binarizer.y_type_.startswith("multilabel")


def _probability_of(model):
    """How scores become probabilities; None for models without probabilities."""
    if not hasattr(model, "predict_proba"):
        return None
    loss = getattr(model, "loss", None)
    return {"modified_huber": "clip", "log_loss": "expit"}.get(loss, "softmax")


def _has_log_link(model):
    """Whether predictions are the exponential of the scores."""
    loss = base_loss(model)
    return loss is not None and type(loss.link).__name__ == "LogLink"
