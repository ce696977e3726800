"""The standalone predictor of any fitted model as it is: nothing is ranked or cut."""

from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_prune.predictors import Compact
from sklearn_prune.weight_pruning._registry import MODEL_FAMILY, families_of_class, resolve


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
    families, _ = families_of_class(model)
    for family in families:
        answer = family.holds(model)
        if answer:
            return answer.family.as_fitted(model)
    return resolve(MODEL_FAMILY)().as_fitted(model)
