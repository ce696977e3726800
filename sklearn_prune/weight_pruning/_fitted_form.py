"""The standalone predictor of any fitted model as it is: nothing is ranked or cut."""

from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_prune.weight_pruning._family import families_of_class
from sklearn_prune.weight_pruning.compact._base import Compact
from sklearn_prune.weight_pruning.compact._containers import CompactConstant
from sklearn_prune.weight_pruning.families._feature import compact_model


def fitted_form(model):
    """What `PrunedClassifier(FrozenEstimator(model), keep=1.0)` predicts with.

    Parameters
    ----------
    model : estimator
        Fitted. Pruned models give their `compact_`, wherever they are inside.

    Returns
    -------
    Compact
        A `CompactModel` around a copy where the kind of model has no smaller form.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    """
    while isinstance(model, FrozenEstimator):
        model = model.estimator
    if isinstance(model, Compact):
        return model
    check_is_fitted(model)
    if isinstance(getattr(model, "compact_", None), Compact):
        return model.compact_
    if type(model).__name__ == "_ConstantPredictor":
        return CompactConstant.of(model.y_)
    families, _ = families_of_class(model)
    for family in families:
        answer = family.holds(model)
        if answer:
            return answer.family.as_fitted(model)
    return compact_model(model)
