"""Neurons, channels and columns of inputs of skorch nets: found once, ranked, cut."""

import warnings
from copy import deepcopy
from functools import cached_property

import numpy as np
import torch
from scipy.sparse import csr_array
from skorch.dataset import unpack_data
from torch import nn

from sklearn_prune._seeds import seeded_globals
from sklearn_prune._sklearn_compat import InvalidParameterError, count_rows
from sklearn_prune.models.nets.torch_cut import safe_units
from sklearn_prune.models.nets.torch_parts import plain_copy
from sklearn_prune.models.nets.torch_probe import find_units, kind_of

_ROWS_OF_SEARCH, _ROWS_OF_PROOF = 2, 32
_ROWS_OF_NORMS = 1000  # that new statistics of batch norms are of


class UnitFinder:
    """The units of a fitted net, found when they are first asked for.

    Parameters
    ----------
    net : skorch.NeuralNet
        Fitted; it is not changed.
    context : PruningContext
        Its first rows are run.
    """

    def __init__(self, net, context):
        self.net, self.context = net, context

    @cached_property
    def module(self):
        """A plain copy of the module, in evaluation mode."""
        return plain_copy(self.net.module_).eval()

    def of_kind(self, kind):
        """The units of one kind: "neuron", "channel" or "input"."""
        return self._columns if kind == "input" else self._safe.of_kind(kind)

    def uncut(self, kind):
        """The layers whose units of one kind stay, and why."""
        if kind == "input":
            return {}
        wide = ("conv", "transposed", "grouped")
        parts = dict(self.module.named_modules())
        return {
            name: reason
            for name, reason in self._safe.uncut.items()
            if (kind_of(parts[name]) in wide) == (kind == "channel")
        }

    @cached_property
    def _safe(self):
        return safe_units(
            self.module,
            self.run,
            self._inputs(_ROWS_OF_SEARCH),
            proof=self.proof_rows,
        )

    @cached_property
    def _columns(self):
        inputs = self._inputs(_ROWS_OF_SEARCH)
        numbers = isinstance(inputs, torch.Tensor) and inputs.is_floating_point()
        if not numbers or inputs.ndim < 2:
            got = "several inputs" if not hasattr(inputs, "dtype") else str(inputs.dtype)
            raise InvalidParameterError(
                'unit="input" needs rows in one array of floats. Got a '
                f"{type(self.net).__name__} that reads {got}. Write unit="
                '"neuron" or unit="weight".'
            )
        module = deepcopy(self.net.module_).eval()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the module on NaN
            return find_units(module, self.run, inputs=inputs)

    @cached_property
    def proof_rows(self):
        """The rows on which a cut is proved."""
        return self._inputs(_ROWS_OF_PROOF)

    def _inputs(self, n_rows):
        rows = np.arange(min(n_rows, count_rows(self.context.X)))
        inputs, _ = next(batches(self.net, self.context.on(rows)))
        return _on_device(inputs, self.net.device)

    def run(self, module, inputs):
        """The outputs of a module in the place of that of the net."""
        return with_module(self.net, module).infer(inputs)


def with_module(net, module):
    """A fitted net with another module, which shares all else."""
    other = object.__new__(type(net))
    vars(other).update(vars(net), module_=module)
    return other


def around(net, module):
    """An unfitted net that trains a module that is made already."""
    params = {
        name: value
        for name, value in net.get_params(deep=False).items()
        if not name.startswith("module__")
    }
    return type(net)(**params | {"module": module})


def batches(net, context):
    """Yield inputs and targets as the training of a net meets them, in their order."""
    dataset = net.get_dataset(context.X, context.y)
    with seeded_globals(net, 0):  # a DataLoader draws a seed when it starts
        found = iter(net.get_iterator(dataset, training=False))
    for batch in found:
        inputs, targets = unpack_data(batch)
        yield inputs, targets


def with_new_statistics(net, context):
    """Have the batch norms of a net take mean and spread anew, of at most 1,000 rows.

    The net is initialized; it is changed. Neither labels nor gradients are read.
    """
    norms = [
        part
        for part in net.module_.modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm)
        and not isinstance(part, nn.SyncBatchNorm)
        and part.running_mean is not None
    ]
    if not norms:
        return net
    momenta = [part.momentum for part in norms]
    n_rows = count_rows(context.X)
    some = np.random.default_rng(context.role_seed("rows-of-norms"))
    rows = np.sort(some.permutation(n_rows)[:_ROWS_OF_NORMS])
    net.module_.eval()
    for part in norms:
        part.reset_running_stats()
        part.momentum = None  # the mean over all batches
        part.train()
    with torch.no_grad():
        for inputs, targets in batches(net, context.on(rows)):
            if len(targets) > 1 or n_rows == 1:  # one row has no spread
                net.infer(inputs)
    for part, momentum in zip(norms, momenta, strict=True):
        part.momentum = momentum
    net.module_.eval()
    return net


def weights_of_units(values, units):
    """The weights that make each unit, of shape (n_units, m), zeros to the right.

    Of columns of the inputs, which nothing makes, those that read them.
    """
    keys = [key for key in units.slices if values[key[0]].ndim > 1 and key in units.made]
    keys = keys or [key for key in units.slices if values[key[0]].ndim > 1]
    keys = keys or list(units.slices)
    blocks, widths = [], np.zeros(len(units), dtype=int)
    for name, axis in keys:
        own = units.slices[name, axis]
        entries = np.flatnonzero(own >= 0)
        entries = entries[np.argsort(own[entries], kind="stable")]
        value = np.moveaxis(values[name], axis, 0).reshape(len(own), -1)
        counts = np.bincount(own[entries], minlength=len(units))
        blocks.append((value, entries, counts))
        widths += counts * value.shape[1]
    found = np.zeros((len(units), widths.max(initial=1)), dtype=values[keys[0][0]].dtype)
    filled = np.zeros(len(units), dtype=int)
    for value, entries, counts in blocks:
        ends = np.cumsum(counts)
        for count in np.unique(counts[counts > 0]):
            some = np.flatnonzero(counts == count)
            places = (ends[some] - count)[:, None] + np.arange(count)
            rows = value[entries[places]].reshape(len(some), -1)
            columns = filled[some][:, None] + np.arange(rows.shape[1])
            found[some[:, None], columns] = rows
            filled[some] += rows.shape[1]
    return found


def spreads_of_entries(net, units, context):
    """Variance over rows, and places, of each entry that layers read, by layer."""
    sums = {}

    def add(name, x):
        flat = _entries_first(net, name, x.detach()).double()
        part = torch.stack(
            [flat.sum(1), (flat**2).sum(1), torch.full_like(flat[:, 0], 1.0)]
        )
        part[2] *= flat.shape[1]
        sums[name] = sums.get(name, 0) + part.cpu().numpy()

    with torch.no_grad(), _Reading(net.module_, units.reads, add):
        for inputs, _ in batches(net, context):
            net.infer(_on_device(inputs, net.device))
    found = {}
    for name, (total, squares, n) in sums.items():
        found[name] = np.maximum(0, squares / n - (total / n) ** 2)
    return found


def spreads_of_columns(net, units, context):
    """Variance over rows, and places, of each column of the inputs that is left."""
    found = np.zeros(len(units))
    spreads = spreads_of_entries(net, units, context)
    for name, own in units.reads.items():
        if name in spreads:
            found[own[own >= 0]] = spreads[name][own >= 0]
    return found


def activations_of_units(net, values, units, context):
    """Variance of what each unit gives, times the squares of the weights that read it."""
    scores = np.zeros(len(units))
    spreads = spreads_of_entries(net, units, context)
    for name, own in units.reads.items():
        if name not in spreads:
            continue
        squares = np.ones(len(own))
        axes = [(f"{name}.{leaf}" if name else leaf, 1) for leaf in ("weight",)]
        axes += [(f"{name}.weight_ih_l0{way}", 1) for way in ("", "_reverse")]
        read = [values[key] for key, axis in axes if key in values]
        for value in read:
            value = value.swapaxes(0, 1) if value.ndim > 1 else value[:, None]
            if len(value) == len(own):
                value = value.reshape(len(own), -1).astype(np.float64)
                squares = (value**2).sum(axis=1)
        scores += np.bincount(
            own[own >= 0], (spreads[name] * squares)[own >= 0], minlength=len(units)
        )
    return scores


def effects_of_units(net, units, context, *, power):
    """Mean over rows of what the removal of each unit does to the loss of a row.

    It is the gradient times what the layers read of the unit: the square of its sum
    (`power` 1), or the sum of its squares (`power` 2).
    """
    total, n_rows, seen = np.zeros(len(units)), 0, []
    gather = {
        name: csr_array(
            (
                np.ones(np.count_nonzero(own >= 0)),
                (np.flatnonzero(own >= 0), own[own >= 0]),
            ),
            shape=(len(own), len(units)),
        )
        for name, own in units.reads.items()
    }
    reading = _Reading(net.module_, units.reads, lambda name, x: seen.append((name, x)))
    for inputs, targets in batches(net, context):
        seen.clear()
        with reading, torch.enable_grad():
            inputs = _on_device(inputs, net.device)
            targets = _on_device(targets, net.device)
            loss = net.get_loss(net.infer(inputs), targets, X=inputs, training=False)
            kept = [(name, x) for name, x in seen if x.requires_grad]
            gradients = torch.autograd.grad(
                loss, [x for _, x in kept], allow_unused=True, materialize_grads=True
            )
        n = len(targets)
        by_row = np.zeros((n, len(units)))
        for (name, x), gradient in zip(kept, gradients, strict=True):
            effect = _rows_first(net, name, n * gradient * x.detach(), n).double()
            effect = (effect**power).sum(1).cpu().numpy()
            share = effect @ gather[name] / (n // len(effect))
            by_row += share if len(effect) == n else share.sum(0)
        total += (by_row**2 if power == 1 else by_row).sum(axis=0)
        n_rows += n
    return total / n_rows


class _Reading:
    """Within it each layer hands over what it reads before it does."""

    def __init__(self, module, names, take):
        self.parts = {name: module.get_submodule(name) for name in names}
        self.take = take

    def __enter__(self):
        def hook(name):
            def call(part, args, kwargs):
                x, *rest = args
                is_packed = isinstance(x, nn.utils.rnn.PackedSequence)
                read = x.data if is_packed else x
                if torch.is_grad_enabled():  # by itself, if several layers read it
                    read = (
                        read.detach().requires_grad_() if not read.requires_grad else read
                    )
                    read = read.view_as(read)
                self.take(name, read)
                x = x._replace(data=read) if is_packed else read
                return (x, *rest), kwargs

            return call

        self.handles = [
            part.register_forward_pre_hook(hook(name), with_kwargs=True)
            for name, part in self.parts.items()
        ]
        return self

    def __exit__(self, *exception):
        for handle in self.handles:
            handle.remove()


def _axis_read(net, name):
    part = net.module_.get_submodule(name)
    kernel = getattr(part, "kernel_size", None)
    if isinstance(part, nn.GroupNorm):
        return 1
    return -1 if kernel is None else -1 - len(kernel)


def _entries_first(net, name, x):
    return x.movedim(_axis_read(net, name), 0).flatten(1)


def _rows_first(net, name, x, n):
    """Of shape (n rows, places, entries); one row for all where they cannot be told."""
    x = x.movedim(_axis_read(net, name), -1)
    if x.shape[0] != n and x.ndim > 2 and x.shape[1] == n:
        x = x.movedim(1, 0)
    n = n if x.shape[0] % n == 0 else 1
    return x.reshape(n, -1, x.shape[-1])


def _on_device(thing, device):
    if isinstance(thing, torch.Tensor):
        return thing.to(device)
    if isinstance(thing, dict):
        return {name: _on_device(value, device) for name, value in thing.items()}
    if isinstance(thing, list | tuple):
        return type(thing)(_on_device(value, device) for value in thing)
    return thing
