"""What families are asked, and what they answer."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Accepted:
    """The answer of a family that can prune a model.

    Parameters
    ----------
    family : Family
        What prunes the model: the family itself, or one whose `units`, `criteria` and
        `offers` suit this model better.

    See Also
    --------
    Refused : The other answer.

    Examples
    --------
    >>> from sklearn_prune.weight_pruning import Accepted, Family
    >>> family = Family()
    >>> Accepted(family).family is family
    True
    """

    family: object


@dataclass(frozen=True)
class Refused:
    """The answer of a family that cannot prune a model; it is false in a condition.

    Parameters
    ----------
    reason : str
        Why not, as the end of a sentence: "its metric is a function".

    See Also
    --------
    Accepted : The other answer.

    Examples
    --------
    >>> from sklearn_prune.weight_pruning import Refused
    >>> bool(Refused("its metric is a function"))
    False
    """

    reason: str

    def __bool__(self):
        return False


@dataclass(frozen=True)
class UnitTable:
    """The units of a model, one entry for each.

    Parameters
    ----------
    ids : ndarray of shape (n_units,), int
        Their numbers in the model as it was fitted: they stay when others are gone.
    parameters : ndarray of shape (n_units,), int
        How many stored numbers would go with each.
    fixed : int, default=0
        How many stored numbers belong to no unit.
    groups : ndarray of shape (n_units,), int, default=None
        Codes from 0 of the groups that keep a unit each, such as the classes.
    n_ranked : int, default=None
        Number of units that were ranked, where a criterion finds more than the fitted
        model has.

    See Also
    --------
    Family : Gives one in `table`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_prune.weight_pruning import UnitTable
    >>> UnitTable(np.arange(3), np.full(3, 2)).parameters.sum()
    np.int64(6)
    """

    ids: np.ndarray
    parameters: np.ndarray
    fixed: int = 0
    groups: np.ndarray | None = None
    n_ranked: int | None = None


@dataclass(frozen=True)
class PruningRequest:
    """What is wanted of a family.

    Parameters
    ----------
    unit : str
        Kind of unit, or "auto" for the plan of the family.
    criterion : Criterion or None
        What ranks the units; None is the family's own choice.
    schedule : schedule or None
        Rounds of pruning, or all at once.
    refit : bool
        Whether what is kept is estimated again.
    option : object
        One of the family's `options`, for it to read.
    """

    unit: str
    criterion: object = None
    schedule: object = None
    refit: bool = True
    option: object = None
