"""Compiled passes of condensation over blocks of rows."""

from numba import njit

from sklearn_prune._graph_kernels import distance


@njit(cache=True, nogil=True)
def visit_labels(
    points,
    kind,
    nominal,
    norms,
    slack,
    rows,
    new,
    dots,
    members,
    n_members,
    y,
    own,
    other,
):
    """Add each row that is not strictly nearest to a kept row of its class.

    `dots` are the products of the rows with the members that are new to them: what they
    show to be farther than the nearest member of the own class is not measured.
    """
    before = n_members
    for t in range(len(rows)):
        i = rows[t]
        for m in range(len(new) + n_members - before):
            if m < len(new):
                j = new[m]
                size = norms[i] + norms[j]
                if size - 2 * dots[t, m] > own[i] + slack * size:
                    continue
            else:
                j = members[before + m - len(new)]
            d = distance(points, kind, nominal, i, j)
            if y[j] == y[i]:
                own[i] = min(own[i], d)
            else:
                other[i] = min(other[i], d)
        if other[i] <= own[i] and own[i] > 0:
            members[n_members] = i
            n_members += 1
            own[i] = 0.0
    return n_members


@njit(cache=True, nogil=True)
def visit_targets(
    points,
    kind,
    nominal,
    norms,
    slack,
    rows,
    new,
    dots,
    members,
    n_members,
    y,
    limits,
    near,
    nearest,
):
    """Add each row whose target is beyond its limit of that of the nearest kept row."""
    before = n_members
    for t in range(len(rows)):
        i = rows[t]
        for m in range(len(new) + n_members - before):
            if m < len(new):
                j = new[m]
                size = norms[i] + norms[j]
                if size - 2 * dots[t, m] > near[i] + slack * size:
                    continue
            else:
                j = members[before + m - len(new)]
            d = distance(points, kind, nominal, i, j)
            if d < near[i]:
                near[i] = d
                nearest[i] = j
        if near[i] > 0 and abs(y[i] - y[nearest[i]]) > limits[i]:
            members[n_members] = i
            n_members += 1
            near[i] = 0.0
            nearest[i] = i
    return n_members
