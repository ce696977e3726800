"""Rank, keep and refit units of one kind, at once or in rounds."""

from numbers import Integral

import numpy as np

from sklearn_prune._ranking import budget_size, keep_prefix, parameter_budget
from sklearn_prune._returns import check_ranking, check_returned
from sklearn_prune.weight_pruning._protocol import UnitTable


def reduce_unit(family, work, unit, shares, request, context, *, by_size=False):
    """Prune one kind of unit to each of several sizes, by one ranking without a schedule.

    `shares` are fractions or numbers of units; fractions are of the parameters if
    `by_size`. Returns the smaller working forms in the same order.
    """
    return list(
        reduce_one_by_one(family, work, unit, shares, request, context, by_size=by_size)
    )


def reduce_one_by_one(family, work, unit, shares, request, context, *, by_size=False):
    """The same as an iterator, which cuts and refits for a size when it is asked for it."""
    criterion = family.criterion_for(unit, request.criterion)
    if len(unit_table(family, work, unit, context).ids) < 2:  # nothing to choose
        work = family.refit(work, unit, context) if context.dropout > 0 else work
        yield from [work] * len(shares)
        return
    if request.schedule is not None:
        for share in shares:
            yield _in_rounds(
                family, work, unit, criterion, share, request, context, by_size
            )
        return
    prepared, ranking, table = ranked(criterion, family, work, unit, context)
    for share in shares:
        kept = kept_units(ranking, table, share, by_size)
        yield _cut(family, prepared, unit, kept, request, context)


def unit_table(family, work, unit, context):
    """The table of the units; TypeError if the family returns something else."""
    table = family.table(work, unit, context)
    wanted = "a UnitTable of int arrays of one length"
    check_returned(isinstance(table, UnitTable), family, "table", wanted, table)
    columns = [table.ids, table.parameters]
    for column in columns if table.groups is None else [*columns, table.groups]:
        valid = isinstance(column, np.ndarray) and column.shape == (np.size(table.ids),)
        valid = valid and column.dtype.kind in "iu"
        check_returned(valid, family, "table", wanted, column)
    return table


def ranked(criterion, family, work, unit, context):
    """The working form that the criterion returns, the ranking of its units, the table."""
    found = criterion.rank_units(family, work, unit, context)
    is_pair = isinstance(found, tuple) and len(found) == 2
    wanted = "a working form and a Ranking"
    check_returned(is_pair, criterion, "rank_units", wanted, found)
    work, ranking = found
    table = unit_table(family, work, unit, context)
    check_ranking(ranking, len(table.ids), criterion, "rank_units", "units")
    return work, ranking, table


def table_size(table, by_size):
    """Number of parameters if `by_size`, else of units."""
    return int(table.parameters.sum()) + table.fixed if by_size else len(table.ids)


def ranked_within(size, criterion, family, work, unit, context, by_size):
    """The working form to prune, its table, and the positions of the units to keep."""
    work, ranking, table = ranked(criterion, family, work, unit, context)
    share = min(1.0, size / table_size(table, by_size))
    return work, table, kept_units(ranking, table, share, by_size)


def kept_units(ranking, table, share, by_size):
    """Sorted positions of the units to keep: at least one, and one of each group."""
    if not by_size or isinstance(share, Integral):
        return keep_prefix(ranking, share, classes=table.groups)
    total = table_size(table, by_size)
    budget = parameter_budget(share, total) - table.fixed
    order = ranking.order
    size = int(np.searchsorted(np.cumsum(table.parameters[order]), budget, side="right"))
    size = max(1, size if table.groups is None else max(size, table.groups.max() + 1))
    if size == 1:  # `keep_prefix` does not take the int 1
        return order[:1]
    return keep_prefix(ranking, min(size, len(order)), classes=table.groups)


def _cut(family, work, unit, kept, request, context):
    """The working form with the kept units only, refitted if the request asks for it."""
    smaller = family.apply(work, unit, kept, context)
    check_returned(smaller is not None, family, "apply", "a working form", smaller)
    if not request.refit:
        return smaller
    if getattr(request.schedule, "rewind", "none") == "init":
        smaller = family.rewind(smaller, context)
    smaller = family.refit(smaller, unit, context)
    check_returned(smaller is not None, family, "refit", "a working form", smaller)
    return smaller


def _in_rounds(family, work, unit, criterion, share, request, context, by_size):
    """Rank, cut and refit in the rounds of the schedule, until the share is reached."""
    total = table_size(unit_table(family, work, unit, context), by_size)
    final_share = (parameter_budget if by_size else budget_size)(share, total) / total
    for part in request.schedule.shares(final_share):
        prepared, _, kept = ranked_within(
            part * total, criterion, family, work, unit, context, by_size
        )
        work = _cut(family, prepared, unit, kept, request, context)
    return work
