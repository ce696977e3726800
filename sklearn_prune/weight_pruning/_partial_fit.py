"""Train a pruned net on: what was pruned stays zero."""

from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._quantize import check_quantize


def trained_on(owner, X, y, fit_params):
    """The compact form of a fitted meta-estimator after some more training.

    Parameters
    ----------
    owner : PrunedModel
        Fitted, around a net; it is not changed.
    X, y : rows and targets
        Checked.
    fit_params : dict
        For the training.

    Returns
    -------
    compact : Compact
        The new predictor.
    n_iter : int
        How many passes over rows were added.
    """
    family = owner._family
    context = PruningContext(
        estimator=owner.estimator,
        X=X,
        y=y,
        fit_params=fit_params,
        seed=owner._seed(),
        refit_params=family.partial_params(owner.estimator),
        dropout=owner.dropout,
    )
    work = family.resumed(owner.compact_, owner.estimator_, context)
    trained = family.train(work, context)
    compact = family.compact(trained)
    quantizer = check_quantize(owner.quantize)
    if quantizer is not None:
        compact = compact.quantized(quantizer)
    return compact, family.n_iter(trained) - family.n_iter(work)
