"""Units of nets: which parameters belong to a neuron, a channel or an input."""

from dataclasses import dataclass, field, replace

import numpy as np

from sklearn_prune._sklearn_compat import count_rows
from sklearn_prune.predictors import Graph

MOST_ROWS = 2000  # that a criterion reads


@dataclass(frozen=True)
class MaskedNet:
    """The working form of a net.

    Parameters
    ----------
    model : estimator
        As it was fitted; it is not changed.
    graph : Graph or None
        None for a module that cannot be followed.
    values : dict of str -> ndarray
        Its parameters, and what is stored beside them, by name.
    masks : dict of str -> ndarray of bool
        For each parameter of which something is gone, what is left. A value is zero
        where its mask is False.
    n_epochs : int
        Passes over the rows so far.
    reason : str or None
        Why the module cannot be followed.
    teacher : MaskedNet or None
        The net before it was pruned, whose outputs count as targets in a refit.
    finder : UnitFinder or None
        Finds the units of a torch module.
    units : NetUnits or None
        Those that are left of one kind, once some have gone.
    entries : dict of str to dict of int to ndarray, or None
        For parameters and axes of which units were cut, the entries that are left. None if
        the constructor of the module makes what `model` has.
    before : MaskedNet or None
        The net before the last cut, whose outputs the weights that are left are fitted to.
    moves : bool
        Whether a refit may keep other weights than the ranking, as many in each layer.
    """

    model: object
    graph: Graph | None
    values: dict
    masks: dict = field(default_factory=dict)
    n_epochs: int = 0
    reason: str | None = None
    teacher: object = None
    finder: object = None
    units: object = None
    entries: dict | None = None
    before: object = None
    moves: bool = False

    def masked(self, masks):
        """The working form with other masks, and zeros where they are False."""
        values = dict(self.values)
        for name, mask in masks.items():
            values[name] = np.where(mask, values[name], 0)
        return replace(self, values=values, masks=masks)

    def weight_names(self):
        """Names of the weights of dense and convolving operations, in order."""
        if self.graph is None:  # layers that share a parameter have it once
            parameters = dict(self.model.module_.named_parameters())
            return [
                name
                for name, value in self.values.items()
                if name in parameters and self._is_weight(value)
            ]
        return [
            operation.weight
            for operation in self.graph.operations
            if operation.kind in ("dense", "conv")
        ]

    @staticmethod
    def _is_weight(value):
        return value.ndim > 1 and value.dtype.kind == "f"


def some_rows(context, most=MOST_ROWS):
    """The context with some of its rows, drawn by its seed."""
    n = count_rows(context.X)
    if n <= most:
        return context
    generator = np.random.default_rng(context.role_seed("rows-of-criterion"))
    return context.on(np.sort(generator.choice(n, most, replace=False)))


def norms_of(weight, axis):
    """Size of each weight, or norm of each unit's along an axis, to multiply with."""
    if axis is None:
        return abs(weight)
    others = tuple(number for number in range(weight.ndim) if number != axis)
    shape = [1] * weight.ndim
    shape[axis] = -1
    return ((weight * weight).sum(others) ** 0.5).reshape(shape)


def slices_of(site):
    """Names, axes and entries a unit of all parameters that belong to its units."""
    yield from ((name, axis, 1) for name, axis in site.makers)
    yield from site.readers


def mask_of(work, name, masks=None):
    mask = (work.masks if masks is None else masks).get(name)
    return np.ones(work.values[name].shape, dtype=bool) if mask is None else mask


def alive_units(work, site):
    """Units of a site that some reader still reads and some maker makes."""
    alive = np.zeros(site.size, dtype=bool)
    for name, axis, _ in site.readers:
        mask = np.moveaxis(mask_of(work, name), axis, 0).reshape(site.size, -1)
        alive |= mask.any(axis=1)
    return alive


def parameters_of_units(work, site):
    """How many parameters that are left belong to each unit."""
    total = np.zeros(site.size, dtype=np.int64)
    for name, axis, _ in slices_of(site):
        mask = np.moveaxis(mask_of(work, name), axis, 0)
        total += mask.reshape(site.size, -1).sum(axis=1)
    return total


def count_parameters(work):
    return sum(
        value.size if name not in work.masks else int(work.masks[name].sum())
        for name, value in work.values.items()
        if value.dtype.kind == "f"
    )


def layer_codes(sizes):
    return np.repeat(np.arange(len(sizes)), sizes)


def squared_effects(effects, site):
    """Square of the sum of gradient times weight of each unit, summed over rows."""
    return (sums_of_units(effects, site, 1) ** 2).sum(axis=0)


def curved_effects(effects, site):
    """Sum of the squares of gradient times weight of each unit, summed over rows."""
    return sums_of_units(effects, site, 2).sum(axis=0)


def sums_of_units(effects, site, power):
    """For each row and unit, the sum of powers over the weights that make it."""
    total = 0.0
    for name, axis, *_ in site.makers or site.readers:
        if name not in effects:  # the factor of a norm that learns none
            continue
        effect = np.moveaxis(effects[name], axis + 1, 1) ** power
        total = total + effect.reshape(len(effect), site.size, -1).sum(axis=2)
    return total
