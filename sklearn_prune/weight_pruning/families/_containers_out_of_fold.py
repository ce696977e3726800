"""What the pruned members of a container say about rows that they have not seen."""

import numpy as np

from sklearn_prune._sklearn_compat import count_rows, take_rows
from sklearn_prune.weight_pruning._family import family_for
from sklearn_prune.weight_pruning.families._containers_base import Member, refit_member


def out_of_fold(member, smaller_ones, folds, ask):
    """What pruned models predict of the rows that they have not seen.

    In each fold the member is fitted, and pruned, on the training rows; a frozen one is
    pruned only.

    Parameters
    ----------
    member : Member
        With the context of all rows.
    smaller_ones : callable
        Called with a member that was just fitted, gives those that are asked.
    folds : list of (train, test)
        Positions; each row is held out once.
    ask : callable
        Called with a compact form and rows.

    Returns
    -------
    list of ndarray
        Predictions of all rows, one array for each of the smaller ones.
    """
    found, labels = [], member.context.target
    labels = np.unique(labels) if labels.ndim == 1 else None
    for train, test in folds:
        inside = member.context.on(train)
        model = inside.fit_first()
        family, reason = family_for(model, "auto")
        start = Member(model, family, family.start(model, inside), inside, reason)
        outside = take_rows(member.context.X, test)
        for number, smaller in enumerate(smaller_ones(start)):
            compact = smaller.family.compact(smaller.work)
            part = _for_all_classes(ask(compact, outside), compact, labels)
            if number == len(found):
                shape = (count_rows(member.context.X), *part.shape[1:])
                found.append(np.zeros(shape, dtype=part.dtype))
            found[number][test] = part
    return found


def _for_all_classes(part, compact, labels):
    """Scores with a column for each class, also for those that a fold has not seen.

    As in `cross_val_predict`: 0 for a probability, the least number for other scores.
    """
    seen = getattr(compact, "classes_", None)
    if labels is None or part.dtype.kind != "f" or seen is None or len(seen) == len(labels):
        return part
    if part.ndim != 2 or part.shape[1] != len(seen):
        raise ValueError(
            "Each inner fold needs a row of each class to train on, where a model scores "
            f"two classes by one number. Got a fold with {len(seen)} of {len(labels)} "
            "classes. Write fewer folds as cv of the container, or keep=1.0."
        )
    is_probability = ((part >= 0) & (part <= 1)).all()
    missing = 0.0 if is_probability else np.finfo(part.dtype).min
    columns = np.full((len(part), len(labels)), missing, dtype=part.dtype)
    columns[:, np.searchsorted(labels, seen)] = part
    return columns


def refitted_ones(member):
    """The whole member, refitted, as the one of its kind."""
    return [refit_member(member)]
