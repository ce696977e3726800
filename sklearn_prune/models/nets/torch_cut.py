"""Cut units out of torch modules, and prove that nothing else has changed."""

import math
import warnings
from copy import deepcopy
from dataclasses import replace

import numpy as np
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from sklearn_prune.models.nets.torch_parts import resize
from sklearn_prune.models.nets.torch_probe import find_units

TOLERANCE = 1e-5  # of the largest output
ROUNDED = 1e-1  # what rounding alone may do, in half precision and deep nets


def cut(module, units, kept):
    """A copy of a module with the units at these positions and no others.

    Parameters
    ----------
    module : torch.nn.Module
        By `plain_copy`.
    units : NetUnits
        Of the module.
    kept : ndarray of int
        Sorted positions.

    Returns
    -------
    torch.nn.Module
        The smaller module.
    """
    return sliced(deepcopy(module), entries_left(units, kept))


def entries_left(units, kept):
    """For each parameter or buffer, by axis, the entries that are left."""
    left = np.append(np.isin(np.arange(len(units)), kept), True)
    entries = {}
    for (name, axis), own in units.slices.items():
        if not left[own].all():
            entries.setdefault(name, {})[axis] = np.flatnonzero(left[own])
    return entries


def sliced(module, entries):
    """The module itself with some of the entries of its parameters and buffers."""
    tensors = dict(module.named_parameters(remove_duplicate=False))
    tensors |= dict(module.named_buffers())
    smaller = {}
    for name, by_axis in entries.items():
        tensor = tensors[name].detach()
        for axis, own in by_axis.items():
            tensor = tensor.index_select(axis, torch.as_tensor(own, device=tensor.device))
        smaller[name] = tensor.clone()
    return resize(module, smaller)


def silenced(module, units, kept):
    """A copy of a module in which all that belongs to the other units is zero."""
    module = deepcopy(module)
    tensors = dict(module.named_parameters(remove_duplicate=False))
    tensors |= dict(module.named_buffers())
    left = np.append(np.isin(np.arange(len(units)), kept), True)
    with torch.no_grad():
        for (name, axis), own in units.slices.items():
            if not name.endswith("running_var"):
                gone = torch.as_tensor(~left[own], device=tensors[name].device)
                tensors[name].movedim(axis, 0)[gone] = 0
    return module


class _FixedStatistics(TorchFunctionMode):
    """Within it LayerNorm is a factor and an offset: its statistics depend on the width."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        function = _affine if function is functional.layer_norm else function
        return function(*args, **(kwargs or {}))


def _affine(input, normalized_shape, weight=None, bias=None, eps=None):
    found = input if weight is None else input * weight
    return found if bias is None else found + bias


def difference(small, full, run):
    """Largest difference between outputs of two modules, relative to the largest output.

    LayerNorm is taken as a factor and an offset. Infinite where outputs have other shapes,
    or where a module raises an error.
    """
    try:
        with torch.no_grad(), _FixedStatistics():
            pairs = list(zip(_flat(run(small)), _flat(run(full)), strict=True))
    except Exception:  # the user's code meets sizes that it does not expect
        return math.inf
    largest = 0.0
    for one, other in pairs:
        if one.shape != other.shape:
            return math.inf
        one, other = one.double(), other.double()
        finite = other.isfinite()
        if not torch.equal(finite, one.isfinite()):
            return math.inf
        if finite.any():
            scale = float(other[finite].abs().max()) + 1e-30
            largest = max(largest, float((one - other)[finite].abs().max()) / scale)
    return largest


def proved_cut(module, units, kept, run, inputs):
    """The smaller module, if it gives what silencing the other units gives; else None.

    Where rounding could be the reason, both are compared in double precision.

    Parameters
    ----------
    module, units, kept
        As `cut` takes them.
    run : callable
        ``run(module, inputs)`` gives outputs.
    inputs : Tensor, or dict or list of Tensor
        Some rows.
    """
    small, full = cut(module, units, kept), silenced(module, units, kept)
    found = difference(small, full, lambda module: run(module, inputs))
    if found <= TOLERANCE:
        return small
    if found > ROUNDED:
        return None
    wide = widened(inputs)
    found = difference(deepcopy(small).double(), full.double(), lambda m: run(m, wide))
    return small if found <= TOLERANCE else None


def safe_units(module, run, inputs, *, proof=None, seed=0):
    """The units of a module whose cut has been tried.

    Of all groups together a third of the units is cut. If the outputs are not those of the
    module with these units silenced, the groups are tried by halves. Groups that fail
    alone are left out, and their layers are named in `uncut`.

    Parameters
    ----------
    module : torch.nn.Module
        By `plain_copy`, in evaluation mode.
    run : callable
        ``run(module, inputs)`` gives outputs.
    inputs : Tensor, or dict or list of Tensor
        Some rows.
    proof : Tensor, or dict or list of Tensor, default=None
        Other rows, to compare on.
    seed : int, default=0
        Of the units to try.

    Returns
    -------
    NetUnits
        Neurons, channels and heads.
    """
    proof = inputs if proof is None else proof
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the module on NaN
        units = find_units(module, lambda module: run(module, inputs))
        rng = np.random.default_rng(seed)
        gone = {}
        for group in range(len(units.kinds)):
            own = np.flatnonzero(units.groups == group)
            some = rng.permutation(own)[: -(-len(own) // 3)]
            gone[group] = some[: len(own) - 1]

        def good(groups):
            drop = np.concatenate([gone[group] for group in groups])
            kept = np.setdiff1d(np.arange(len(units)), drop)
            if proved_cut(module, units, kept, run, proof) is not None:
                return groups
            if len(groups) == 1:
                return []
            middle = len(groups) // 2
            return good(groups[:middle]) + good(groups[middle:])

        groups = list(gone)
        left = good(groups) if groups else []
    if len(left) < len(groups):
        why = "a cut changes the outputs"
        refused = set(groups) - set(left)
        names = [name for g in sorted(refused) for name in units.layers[g].split(", ")]
        uncut = units.uncut | dict.fromkeys(names, why)
        units = replace(units.of_groups(left), uncut=uncut)
    return units


def widened(thing):
    """Nested inputs in double precision."""
    if isinstance(thing, torch.Tensor):
        return thing.double() if thing.is_floating_point() else thing
    if isinstance(thing, dict):
        return {name: widened(value) for name, value in thing.items()}
    if isinstance(thing, list | tuple):
        return type(thing)(map(widened, thing))
    return thing


def _flat(outputs):
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    if isinstance(outputs, dict):
        outputs = outputs.values()
    if isinstance(outputs, list | tuple):
        return [tensor for each in outputs for tensor in _flat(each)]
    return []
