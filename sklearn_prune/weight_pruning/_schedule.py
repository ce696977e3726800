"""How pruning is spread over time."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from sklearn_prune._meta import last_step
from sklearn_prune._sklearn_compat import InvalidParameterError

# Models that train from values of their parameters, by the names of their bases.
_TRAINED = {"sklearn.BaseSGD", "sklearn.BaseMultilayerPerceptron", "skorch.NeuralNet"}


class IterativeSchedule(BaseEstimator):
    """Prune in rounds: cut a little, refit, rank again.

    Parameters
    ----------
    n_steps : int, default=5
        Number of rounds; each keeps the same share of what the one before left.
    rewind : {"none", "init"}, default="none"
        "init" restores the parameters that the first fit started from before each refit
        [1]_; it needs a model that starts from some: a net, MLP* or SGD*.

    See Also
    --------
    GradualSchedule : Prunes while the model trains.
    sklearn_prune.PrunedClassifier : Takes one as `schedule`.

    Notes
    -----
    Cost: `n_steps` rankings and refits. Ranking again after each round pays where units
    stand in for each other: two equal columns are both unimportant until one is gone.

    References
    ----------
    .. [1] Frankle, Carbin (2019). The lottery ticket hypothesis: finding sparse, trainable
       neural networks. ICLR.

    Examples
    --------
    >>> from sklearn_prune.weight_pruning import IterativeSchedule
    >>> [round(share, 2) for share in IterativeSchedule(n_steps=3).shares(0.125)]
    [0.5, 0.25, 0.12]
    """

    def __init__(self, n_steps=5, *, rewind="none"):
        self.n_steps = n_steps
        self.rewind = rewind

    def shares(self, keep):
        """Share of the units that each round leaves.

        Parameters
        ----------
        keep : float in (0, 1]
            The share that the last round leaves.

        Returns
        -------
        list of float
            One share for each round, the last is `keep`.
        """
        return [keep ** (step / self.n_steps) for step in range(1, self.n_steps)] + [keep]


class GradualSchedule(BaseEstimator):
    """Prune while the model trains: much at first, less and less afterwards [1]_.

    Nets, MLP* and SGD* are pruned in one fit of their own epochs, in `n_steps` cuts spread
    evenly over the first 60 % of the updates. Any other model is pruned in `n_steps`
    rounds of rank, keep and refit with the same amounts.

    Parameters
    ----------
    n_steps : int, default=10
        Number of cuts.
    power : float, default=3
        After cut t, 1 - (1 - t / n_steps)**power of what is to go is gone. 1 takes the
        same amount each time; the larger, the more goes at the first cuts.

    See Also
    --------
    IterativeSchedule : Prunes a trained model in rounds.
    sklearn_prune.PrunedClassifier : Takes one as `schedule`.

    Notes
    -----
    Cost: for models that train, `n_steps` rankings beside one fit; for others, `n_steps`
    rankings and refits.

    References
    ----------
    .. [1] Zhu, Gupta (2017). To prune, or not to prune: exploring the efficacy of pruning
       for model compression. arXiv:1710.01878.

    Examples
    --------
    >>> from sklearn_prune.weight_pruning import GradualSchedule
    >>> [round(share, 2) for share in GradualSchedule(n_steps=4).shares(0.1)]
    [0.48, 0.21, 0.11, 0.1]
    """

    def __init__(self, n_steps=10, *, power=3):
        self.n_steps = n_steps
        self.power = power

    def shares(self, keep):
        """Share of the units that each cut leaves.

        Parameters
        ----------
        keep : float in (0, 1]
            The share that the last cut leaves.

        Returns
        -------
        list of float
            One share for each cut, the last is `keep`.
        """
        left = [(1 - step / self.n_steps) ** self.power for step in range(1, self.n_steps)]
        return [keep + (1 - keep) * share for share in left] + [keep]


def check_schedule(schedule, model):
    """Raise if it is no schedule, or one that this model cannot follow."""
    if schedule is None:
        return
    if not isinstance(schedule, (IterativeSchedule, GradualSchedule)):
        raise InvalidParameterError(
            f"schedule must be None or a schedule. Got {schedule!r} instead. Write "
            "IterativeSchedule() or GradualSchedule()."
        )
    n_steps = schedule.n_steps
    if isinstance(n_steps, bool) or not isinstance(n_steps, Integral) or n_steps < 1:
        raise InvalidParameterError(
            f"n_steps must be an int of at least 1. Got {n_steps!r} instead. Write "
            f"{type(schedule).__name__}(n_steps=5)."
        )
    if isinstance(schedule, IterativeSchedule):
        _check_rewind(schedule.rewind, model)
    elif not _is_positive(schedule.power):
        raise InvalidParameterError(
            f"power must be a number above 0. Got {schedule.power!r} instead. Write "
            "GradualSchedule(power=3)."
        )


def _is_positive(value):
    """Whether a value is a finite number above 0, and no bool."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    return bool(np.isfinite(value) and value > 0)


def _check_rewind(rewind, model):
    """Raise if the word is unknown, or the model starts from no parameters that are."""
    if rewind not in ("none", "init"):
        raise InvalidParameterError(
            f'rewind must be "none" or "init". Got {rewind!r} instead. Write rewind="none".'
        )
    if rewind == "none":
        return
    inner = _innermost(model)
    if isinstance(inner, FrozenEstimator):
        raise InvalidParameterError(
            'rewind="init" restores the parameters that training started from. Got '
            "FrozenEstimator, of which they are not known. Pass the unfitted "
            f'{type(inner.estimator).__name__}, or write rewind="none".'
        )
    bases = {
        f"{cls.__module__.partition('.')[0]}.{cls.__name__}" for cls in type(inner).__mro__
    }
    if not bases & _TRAINED:
        raise InvalidParameterError(
            'rewind="init" restores the parameters that training started from. Got '
            f'{type(model).__name__}, which starts from none. Write rewind="none".'
        )


def _innermost(model):
    """The model that is pruned inside pipelines and other models around one."""
    while not isinstance(model, FrozenEstimator):
        outer, model = model, last_step(model)
        if model is outer:
            inner = getattr(model, "estimator", getattr(model, "regressor", None))
            if not hasattr(inner, "get_params"):
                break
            model = inner
    return model
