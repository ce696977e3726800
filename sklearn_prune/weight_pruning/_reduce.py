"""Rank, keep, refit: one kind of unit, at once or in rounds."""

from numbers import Integral

import numpy as np

from sklearn_prune._ranking import budget_size, keep_prefix


def reduce_unit(family, work, unit, shares, request, context, *, by_size=False):
    """Prune one kind of unit down to each of several sizes.

    Parameters
    ----------
    family : Family
        Of the model.
    work : object
        Its working form.
    unit : str
        The kind of unit.
    shares : list of float or int
        Fractions, or numbers, of units to keep.
    request : Request
        Criterion, schedule and whether to refit.
    context : PruningContext
        The rows.
    by_size : bool, default=False
        Whether fractions are shares of the parameters instead of the units.

    Returns
    -------
    list
        The smaller working forms, in the order of `shares`. Ranks once.
    """
    criterion = family.criterion_for(unit, request.criterion)
    if len(family.table(work, unit, context).ids) < 2:  # nothing to choose
        whole = family.refit(work, unit, context) if context.dropout > 0 else work
        return [whole] * len(shares)
    if request.schedule is not None:
        return [
            _in_rounds(family, work, unit, criterion, share, request, context, by_size)
            for share in shares
        ]
    prepared, ranking = criterion.rank_units(family, work, unit, context)
    table = family.table(prepared, unit, context)
    smaller = []
    for share in shares:
        kept = kept_units(ranking, table, share, by_size)
        smaller.append(_cut(family, prepared, unit, kept, request, context))
    return smaller


def kept_units(ranking, table, share, by_size):
    """Sorted positions of the units to keep."""
    if not by_size or isinstance(share, Integral):
        return keep_prefix(ranking, share, classes=table.groups)
    total = int(table.parameters.sum()) + table.fixed
    budget = budget_size(share, total, units="parameters") - table.fixed
    order = ranking.order
    size = int(np.searchsorted(np.cumsum(table.parameters[order]), budget, side="right"))
    size = max(1, size)
    if table.groups is not None:
        size = max(size, table.groups.max() + 1)
    return (
        keep_prefix(ranking, min(size, len(order)), classes=table.groups)
        if size > 1
        else (order[:1])
    )


def _cut(family, work, unit, kept, request, context):
    smaller = family.apply(work, unit, kept, context)
    if not request.refit:
        return smaller
    if getattr(request.schedule, "rewind", "none") == "init":
        smaller = family.rewind(smaller, context)
    return family.refit(smaller, unit, context)


def _in_rounds(family, work, unit, criterion, share, request, context, by_size):
    """Cut a little, refit, rank again, until the share is reached."""
    table = family.table(work, unit, context)
    total = int(table.parameters.sum()) + table.fixed if by_size else len(table.ids)
    last = budget_size(share, total) / total
    for part in request.schedule.shares(last):
        prepared, ranking = criterion.rank_units(family, work, unit, context)
        table = family.table(prepared, unit, context)
        now = int(table.parameters.sum()) + table.fixed if by_size else len(table.ids)
        relative = min(1.0, part * total / now)
        kept = kept_units(ranking, table, relative, by_size)
        work = _cut(family, prepared, unit, kept, request, context)
    return work
