"""How pruning is spread over time."""

from numbers import Integral

from sklearn.base import BaseEstimator

from sklearn_prune._sklearn_compat import InvalidParameterError


class IterativeSchedule(BaseEstimator):
    """Prune in rounds: cut a little, refit, rank again.

    Parameters
    ----------
    n_steps : int, default=5
        Number of rounds; each keeps the same share of what the one before left.
    rewind : {"none", "init"}, default="none"
        "init" restores the parameters that the first fit started from before each refit
        [1]_; it needs a model that starts from some, a net.

    See Also
    --------
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


def check_schedule(schedule, model):
    """Raise if it is no schedule, or one that this model cannot follow."""
    if schedule is None:
        return
    if not isinstance(schedule, IterativeSchedule):
        raise InvalidParameterError(
            f"schedule must be None or a schedule. Got {schedule!r} instead. Write "
            "IterativeSchedule()."
        )
    if (
        isinstance(schedule.n_steps, bool)
        or not isinstance(schedule.n_steps, Integral)
        or schedule.n_steps < 1
    ):
        raise InvalidParameterError(
            f"n_steps must be an int of at least 1. Got {schedule.n_steps!r} instead."
        )
    if schedule.rewind not in ("none", "init"):
        raise InvalidParameterError(
            f'rewind must be "none" or "init". Got {schedule.rewind!r} instead.'
        )
    if schedule.rewind == "init":
        raise InvalidParameterError(
            'rewind="init" restores the parameters that training started from. Got '
            f'{type(model).__name__}, which starts from none. Write rewind="none".'
        )
