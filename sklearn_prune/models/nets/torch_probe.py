"""Find which slices of which parameters of a torch module belong to one unit.

No table of operations is needed. Layers that mix their inputs are known by type, all else
is run. NaN is put on some outputs of a layer, and where it arrives says what reads them.
The outputs are coded: for each bit of the number of a unit there is one run in which the
units with this bit set are NaN, and one with the others. In these runs a layer that mixes
answers with the outputs that it gave at first, so that a run costs little.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import nn

from sklearn_prune.models.nets.torch_parts import (
    CONVOLUTIONS,
    NORMS,
    RECURRENT,
    TRANSPOSED,
    SlimAttention,
)

_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_PASSING = ("norm", "layernorm")  # each output is made of the same entry of the input
_ROWS = "rows"  # stands for what makes the columns of the inputs


@dataclass(frozen=True, eq=False)
class NetUnits:
    """Units of a module, and what belongs to them.

    Parameters
    ----------
    ids : ndarray of shape (n_units,), int
        Their numbers in the whole module.
    groups : ndarray of shape (n_units,), int
        The group of each: units that the same layers make. One of each group stays.
    kinds : tuple of str
        For each group "neuron", "channel" or "input".
    layers : tuple of str
        For each group the layers that make it.
    slices : dict of (str, int) to ndarray of int
        For a parameter or buffer and an axis, the unit to which each entry belongs; -1
        where it belongs to none.
    made : frozenset of (str, int)
        Those slices that make a unit; the others read it.
    reads : dict of str to ndarray of int
        For a layer that mixes, the unit of each entry that it reads.
    uncut : dict of str to str
        Layers whose units stay, except those that give the outputs, and why.
    """

    ids: np.ndarray
    groups: np.ndarray
    kinds: tuple
    layers: tuple
    slices: dict
    made: frozenset
    reads: dict
    uncut: dict

    def __len__(self):
        return len(self.ids)

    def of_groups(self, wanted):
        """The units of some of the groups, numbered anew."""
        wanted = list(wanted)
        units = self.take(np.flatnonzero(np.isin(self.groups, wanted)))
        return replace(
            units,
            ids=np.arange(len(units)),
            groups=np.searchsorted(wanted, units.groups),
            kinds=tuple(self.kinds[group] for group in wanted),
            layers=tuple(self.layers[group] for group in wanted),
        )

    def of_kind(self, kind):
        """The units of one kind."""
        return self.of_groups([g for g, own in enumerate(self.kinds) if own == kind])

    def take(self, kept):
        """The units at these positions, in the same module."""
        new = np.full(len(self) + 1, -1)  # the last stands for no unit
        new[kept] = np.arange(len(kept))
        return replace(
            self,
            ids=self.ids[kept],
            groups=self.groups[kept],
            slices={key: new[units] for key, units in self.slices.items()},
            reads={key: new[units] for key, units in self.reads.items()},
        )

    def after_cut(self, kept):
        """The units at these positions, in the module without the others."""
        left = np.append(np.isin(np.arange(len(self)), kept), True)
        slices = {key: units[left[units]] for key, units in self.slices.items()}
        reads = {key: units[left[units]] for key, units in self.reads.items()}
        return replace(self, slices=slices, reads=reads).take(kept)

    def sizes(self, shapes):
        """How many parameters go with each unit, of parameters of these shapes."""
        total = np.zeros(len(self), dtype=np.int64)
        for (name, axis), units in self.slices.items():
            if name in shapes:
                each = math.prod(shapes[name]) // max(1, shapes[name][axis])
                total += each * np.bincount(units[units >= 0], minlength=len(self))
        return total


def find_units(module, run, *, inputs=None):
    """The units of a module in evaluation mode.

    Parameters
    ----------
    module : torch.nn.Module
        By `plain_copy`. Its forward methods are replaced during the search.
    run : callable
        ``run(module)`` gives the outputs for some rows.
    inputs : Tensor or None
        If given, ``run(module, inputs)`` runs on these rows, and units are the columns of
        the inputs, too.

    Returns
    -------
    NetUnits
        Neurons, channels and heads, or the columns of the inputs only.
    """
    return _Search(module, run, inputs).found()


def kind_of(part):
    """What a layer is for the search; None for what is simply run."""
    if isinstance(part, nn.Linear):
        return "linear"
    if isinstance(part, CONVOLUTIONS):
        return "conv" if part.groups == 1 else "grouped"
    if isinstance(part, TRANSPOSED):
        return "transposed" if part.groups == 1 else "fixed"
    if isinstance(part, _EMBEDDINGS):
        return "embedding"
    if isinstance(part, NORMS):
        return "norm"
    if isinstance(part, nn.LayerNorm):
        one = len(part.normalized_shape) == 1 and part.weight is not None
        return "layernorm" if one else "fixed"
    if isinstance(part, nn.GroupNorm):
        return "grouped" if part.weight is not None else "fixed"
    if isinstance(part, nn.PReLU):
        return "norm" if part.num_parameters > 1 else None
    if type(part) in RECURRENT:
        return "fixed" if part.proj_size else "recurrent"
    if isinstance(part, nn.MultiheadAttention | nn.Bilinear | nn.RNNBase):
        return "fixed"
    return None


def _counts(part, kind):
    """Number of entries that a layer reads and makes."""
    if kind == "linear":
        return part.in_features, part.out_features
    if kind in ("conv", "transposed", "grouped"):
        if isinstance(part, nn.GroupNorm):
            return part.num_channels, part.num_channels
        return part.in_channels, part.out_channels
    if kind == "embedding":
        return 0, part.embedding_dim
    if kind == "recurrent":
        return part.input_size, part.hidden_size
    if kind == "layernorm":
        return part.normalized_shape[0], 0
    if kind == "norm":
        return getattr(part, "num_features", None) or part.num_parameters, 0
    return 1, 0


class _Search:
    def __init__(self, module, run, inputs):
        self.module, self.run, self.inputs = module, run, inputs
        self.parts, self.kinds = {}, {}
        inside = ()
        for name, part in module.named_modules():
            if inside and name.startswith(inside):
                continue
            kind = kind_of(part)
            if kind:
                self.parts[name], self.kinds[name] = part, kind
            if kind == "fixed":
                inside = (*inside, f"{name}.")
        self.attention = {
            name: part
            for name, part in module.named_modules()
            if isinstance(part, SlimAttention)
        }
        self.saved, self.hits = {}, {}

    # --- runs ---------------------------------------------------------------------------

    def _run(self, answer, *args):
        """One run in which known layers answer by `answer`; whether NaN comes out."""
        calls = defaultdict(int)

        def wrapped(name, forward):
            def call(*args, **kwargs):
                calls[name] += 1
                return answer(name, calls[name], forward, args, kwargs)

            return call

        self.hits = {}
        for name, part in self.parts.items():
            part.forward = wrapped(name, part.forward)
        try:
            with torch.no_grad():
                return _has_nan(self.run(self.module, *args))
        finally:
            for part in self.parts.values():
                del part.forward

    def _record(self, name, call, forward, args, kwargs):
        out = forward(*args, **kwargs)
        self.saved[name, call] = _copied(out)  # what comes next may work in place
        first = next(iter(_tensors((args, kwargs))), None)
        if self.kinds[name] == "layernorm" and call == 1:
            self.axes[name] = self._axis_of_layernorm(name, first)
        return out

    def _axis_of_layernorm(self, name, x):
        """Where a LayerNorm, or a subclass that permutes, has its entries."""
        size = self.parts[name].normalized_shape[0]
        if type(self.parts[name]) is nn.LayerNorm:
            return -1
        fits = [axis for axis in (1, -1) if x.shape[axis] == size]
        return fits[0] if len(fits) == 1 else None

    def _axis(self, name):
        if name in self.axes:
            return self.axes[name]
        if self.kinds[name] in ("conv", "transposed", "grouped"):
            part = self.parts[name]
            return 1 if isinstance(part, nn.GroupNorm) else -1 - _n_places(part)
        return 1 if self.kinds[name] == "norm" else -1

    def _answer(self, chosen):
        """Answers of the layers: as recorded, NaN where chosen units are made."""

        def answer(name, call, forward, args, kwargs):
            kind, out = self.kinds[name], _copied(self.saved[name, call])
            tensors = list(_tensors((args, kwargs)))
            if kind in _PASSING:
                seen, axis = self._seen(name, tensors[0]), self._axis(name)
                if not seen.any():
                    return out
                return out * math.nan if axis is None else _with_nan(out, axis, seen)
            if kind != "embedding":
                for x in tensors[:1]:
                    self._seen(name, x)
                if any(bool(x.isnan().any()) for x in tensors[1:]):
                    self.hits[name] = self.hits[name] | True  # such as a hidden state
                    self.stateful.add(name)
            if name in chosen:
                return self._tainted(name, out, chosen[name])
            return out

        return answer

    def _seen(self, name, x):
        """Which entries of an input of a layer are NaN; noted as hits."""
        axis = self._axis(name)
        if axis is None or self.kinds[name] == "fixed":
            size = _counts(self.parts[name], self.kinds[name])[0]
            seen = np.full(size, bool(x.isnan().any()))
        else:
            seen = x.isnan().movedim(axis, 0).flatten(1).any(1).cpu().numpy()
        self.hits[name] = seen if name not in self.hits else self.hits[name] | seen
        return seen

    def _tainted(self, name, out, chosen):
        part = self.parts[name]
        if self.kinds[name] != "recurrent":
            return _with_nan(out, self._axis(name), chosen)
        sequence, state = out
        twice = np.tile(chosen, 2 if part.bidirectional else 1)
        if isinstance(sequence, nn.utils.rnn.PackedSequence):
            sequence = sequence._replace(data=_with_nan(sequence.data, -1, twice))
        else:
            sequence = _with_nan(sequence, -1, twice)
        if isinstance(state, tuple):
            return sequence, tuple(_with_nan(each, -1, chosen) for each in state)
        return sequence, _with_nan(state, -1, chosen)

    # --- the graph of nodes -------------------------------------------------------------

    def found(self):
        self.axes, self.stateful = {}, set()
        self._run(self._record, *self._args())
        called = {name for name, _ in self.saved}
        self.parts = {name: part for name, part in self.parts.items() if name in called}
        self._number_nodes()
        self._take_slices()
        makers = {}
        if self.inputs is not None:
            makers[_ROWS] = self._of_rows()
        else:
            for name in self.parts:
                if len(self.made_by[name]) and not self._in_attention(name):
                    makers[name] = self._of_layer(name)
        self._follow(makers)
        if self.inputs is None:
            for name in self.free:
                self._follow_free(name)
        return self._collected()

    def _args(self):
        return () if self.inputs is None else (self.inputs,)

    def _in_attention(self, name):
        path, _, leaf = name.rpartition(".")
        return leaf in ("q", "k", "v") and path in self.attention

    def _number_nodes(self):
        """A node for each entry that a layer reads or makes; of groups, one for each."""
        self.n_nodes = 0
        self.read_by, self.made_by, self.edges = {}, {}, [np.empty((2, 0), dtype=int)]
        for name, part in self.parts.items():
            n_in, n_out = _counts(part, self.kinds[name])
            if self.kinds[name] == "grouped":
                n_groups = getattr(part, "groups", None) or part.num_groups
                nodes = self._new(n_groups)
                self.read_by[name] = np.repeat(nodes, n_in // n_groups)
                self.made_by[name] = np.repeat(nodes, n_out // n_groups)
            else:
                self.read_by[name], self.made_by[name] = self._new(n_in), self._new(n_out)
        owned = tuple(f"{name}." if name else "" for name in self.parts)
        tensors = (*self.module.named_parameters(), *self.module.named_buffers())
        self.free = {
            name: {axis: self._new(n) for axis, n in enumerate(tensor.shape) if n > 1}
            for name, tensor in tensors
            if tensor.is_floating_point() and not name.startswith(owned)
        }
        self.of_rows = self._new(0 if self.inputs is None else self.inputs.shape[1])

    def _new(self, n):
        self.n_nodes += n
        return np.arange(self.n_nodes - n, self.n_nodes)

    def _take_slices(self):
        """The node of each entry of each parameter along an axis."""
        self.slices, self.made = {}, set()
        self.name_of = {}  # layers may share a parameter
        for name, tensor in self.module.named_parameters(remove_duplicate=False):
            self.name_of.setdefault(id(tensor), name)
        for name, part in self.parts.items():
            kind, read, made = self.kinds[name], self.read_by[name], self.made_by[name]
            if kind in ("linear", "conv", "transposed"):
                out = 1 if kind == "transposed" else 0
                self._own(name, part, "weight", out, made, makes=True)
                self._own(name, part, "bias", 0, made, makes=True)
                self._own(name, part, "weight", 1 - out, read)
            elif kind == "grouped":
                self._own(name, part, "weight", 0, made, makes=True)
                self._own(name, part, "bias", 0, made, makes=True)
            elif kind == "embedding":
                self._own(name, part, "weight", 1, made, makes=True)
            elif kind in _PASSING:
                for leaf in ("weight", "bias", "running_mean", "running_var"):
                    self._own(name, part, leaf, 0, read, makes=True)
            elif kind == "recurrent":
                gates, ways = RECURRENT[type(part)], 1 + part.bidirectional
                for leaf, _ in part.named_parameters():
                    self._own(name, part, leaf, 0, np.tile(made, gates), makes=True)
                    if leaf.startswith("weight_hh"):
                        self._own(name, part, leaf, 1, made)
                    elif leaf.startswith("weight_ih_l0"):
                        self._own(name, part, leaf, 1, read)
                    elif leaf.startswith("weight_ih"):
                        self._own(name, part, leaf, 1, np.tile(made, ways))
        for name, part in self.attention.items():
            if f"{name}.out_proj" not in self.parts:
                continue
            heads = np.repeat(self._new(part.num_heads), part.head_dim)
            for leaf in "qkv":
                own = f"{name}.{leaf}"
                if own in self.parts:
                    self._join(self.made_by[own], heads)
            self._join(heads, self.read_by[f"{name}.out_proj"])

    def _own(self, name, part, leaf, axis, nodes, *, makes=False):
        tensor = getattr(part, leaf, None)
        if tensor is None:
            return
        full = f"{name}.{leaf}" if name else leaf
        key = self.name_of.get(id(tensor), full), axis
        if key in self.slices:
            self._join(self.slices[key], nodes)
        self.slices[key] = nodes
        if makes:
            self.made.add(key)

    def _join(self, one, other):
        self.edges.append(np.stack([one, other]))

    # --- makers -------------------------------------------------------------------------

    def _of_layer(self, name):
        """Nodes of the units of a layer, and how a run has some of them NaN."""
        nodes, places = np.unique(self.made_by[name], return_inverse=True)
        return nodes, lambda chosen: {name: chosen[places]}

    def _of_rows(self):
        return self.of_rows, lambda chosen: {_ROWS: chosen}

    def _taint(self, chosen):
        """Whether the outputs have NaN, with NaN on some units; `hits` are noted."""
        args = self._args()
        if _ROWS in chosen:
            args = (_with_nan(self.inputs, 1, chosen[_ROWS]),)
        try:
            return self._run(self._answer(chosen), *args)
        except Exception:  # the user's code may refuse NaN by any error
            self.failed = True
            return True

    def _follow(self, makers):
        """Join the nodes of makers with those of the entries that read them.

        Makers that reach no entry in common are coded in the same runs.
        """
        self.stays = np.zeros(0, dtype=bool)
        self.output, self.blocked, self.entries = set(), {}, {}
        colours = []
        for name, (nodes, chosen) in makers.items():
            self.failed = False
            at_output = self._taint(chosen(np.ones(len(nodes), dtype=bool)))
            reached = {key: hit for key, hit in self.hits.items() if hit.any()}
            if self.failed:
                self.blocked[name] = "its code refuses NaN"
            elif at_output:
                self.output.add(name)
            if at_output:
                self.entries[name] = reached  # all of them stay
                continue
            for colour in colours:
                if not _overlap(colour["reached"], reached):
                    break
            else:
                colour = {"names": [], "reached": {}}
                colours.append(colour)
            colour["names"].append(name)
            for key, hit in reached.items():
                colour["reached"][key] = colour["reached"].get(key, False) | hit
            self.entries[name] = reached
        for colour in colours:
            self._decode({name: makers[name] for name in colour["names"]})

    def _decode(self, makers):
        """Say which unit of a maker each entry reads, by the bits of its number."""
        n_bits = max(1, max(len(nodes) - 1 for nodes, _ in makers.values()).bit_length())
        seen = defaultdict(lambda: np.zeros(0))
        for bit in range(n_bits):
            for value in (0, 1):
                chosen = {}
                for nodes, choose in makers.values():
                    chosen |= choose((np.arange(len(nodes)) >> bit & 1) == value)
                self._taint(chosen)
                for key, hit in self.hits.items():
                    codes = seen.setdefault(
                        key, np.zeros((2, n_bits, len(hit)), dtype=bool)
                    )
                    codes[value, bit] |= hit
        for name, (nodes, _) in makers.items():
            for key, reached in self.entries[name].items():
                zero, one = seen[key][:, :, reached]
                if (zero & one).any() or self._mixes_whole(key):
                    self.blocked.setdefault(name, self._why(key))
                    break
                unit = (one.T @ (1 << np.arange(n_bits))).astype(int)
                if unit.max(initial=0) >= len(nodes):
                    self.blocked.setdefault(name, self._why(key))
                    break
                self._join(nodes[unit], self.read_by[key][reached])

    def _mixes_whole(self, key):
        return (
            self.kinds[key] == "fixed"
            or key in self.stateful
            or (self.kinds[key] == "layernorm" and self._axis(key) is None)
        )

    def _why(self, key):
        part = type(self.parts[key]).__name__
        if self.kinds[key] == "fixed":
            return f"{key} is a {part} that keeps its size"
        return f"{key} reads them mixed"

    def _follow_free(self, name):
        """A parameter outside of known layers: an axis along which it is one unit each."""
        owner, _, leaf = name.rpartition(".")
        owner = self.module.get_submodule(owner)
        table = owner._parameters if leaf in owner._parameters else owner._buffers
        kept = table[leaf]
        touched = {}

        def taint(axis, chosen):
            table[leaf] = value = kept.detach().clone()
            value.movedim(axis, 0)[torch.as_tensor(chosen)] = math.nan
            if kept is not value and isinstance(kept, nn.Parameter):
                table[leaf] = nn.Parameter(value, requires_grad=False)
            try:
                return self._taint({})
            finally:
                table[leaf] = kept

        for axis, nodes in self.free[name].items():
            self.failed = False
            at_output = taint(axis, np.ones(len(nodes), dtype=bool))
            touched = {key: hit for key, hit in self.hits.items() if hit.any()}
            if at_output:
                break
            n_bits = max(1, (len(nodes) - 1).bit_length())
            seen = {
                key: np.zeros((2, n_bits, len(hit)), bool) for key, hit in touched.items()
            }
            for bit in range(n_bits):
                for value in (0, 1):
                    taint(axis, (np.arange(len(nodes)) >> bit & 1) == value)
                    for key in touched:
                        seen[key][value, bit] = self.hits.get(key, False)
            joins = []
            for key, hit in touched.items():
                zero, one = seen[key][:, :, hit]
                if (zero & one).any() or self._mixes_whole(key):
                    break
                unit = (one.T @ (1 << np.arange(n_bits))).astype(int)
                joins.append((nodes[unit], self.read_by[key][hit]))
            else:
                for pair in joins:
                    self._join(*pair)
                if touched:
                    self.slices[self.name_of.get(id(kept), name), axis] = nodes
                    self.made.add((self.name_of.get(id(kept), name), axis))
                return
        if touched:
            self.entries[name] = touched
            self.blocked[name] = "it mixes units"

    # --- units --------------------------------------------------------------------------

    def _collected(self):
        edges = np.concatenate(self.edges, axis=1)
        shape = (self.n_nodes, self.n_nodes)
        matrix = coo_array((np.ones(edges.shape[1]), tuple(edges)), shape=shape)
        _, component = connected_components(matrix, directed=False)
        stays = np.zeros(component.max(initial=-1) + 1, dtype=bool)
        for name in {*self.output, *self.blocked}:
            if name in self.made_by:
                stays[component[self.made_by[name]]] = True
            elif name == _ROWS:
                stays[component[self.of_rows]] = True
            for key, hit in self.entries.get(name, {}).items():
                stays[component[self.read_by[key][hit]]] = True
        makes, is_read = np.zeros_like(stays), np.zeros_like(stays)
        makers = self.made_by if self.inputs is None else {_ROWS: self.of_rows}
        for nodes in makers.values():
            makes[component[nodes]] = True
        mixing = [name for name in self.parts if self.kinds[name] not in _PASSING]
        reached = [np.zeros(0, dtype=int)]
        reached += [pair[1] for pair in self.edges[1:]]
        hit = np.zeros(self.n_nodes, dtype=bool)
        hit[np.concatenate(reached)] = True
        for name in mixing:
            read = self.read_by[name]
            is_read[component[read[hit[read]]]] = True
            stays[component[read[~hit[read]]]] = True  # such as the columns of the rows
        free = makes & is_read & ~stays
        return self._as_units(component, free, makers)

    def _as_units(self, component, free, makers):
        """The components that can go as units, in the order of what makes them."""
        layers = defaultdict(set)
        first, place = {}, 0
        for name, nodes in makers.items():
            for own in dict.fromkeys(component[nodes].tolist()):
                if free[own]:
                    layers[own].add(name)
                    first.setdefault(own, place)
                    place += 1
        found = sorted(first, key=first.get)
        groups, codes = {}, np.zeros(len(found), dtype=np.int64)
        for number, own in enumerate(found):
            codes[number] = groups.setdefault(frozenset(layers[own]), len(groups))
        names = [sorted(group, key=list(makers).index) for group in groups]
        number_of = np.full(len(free), -1)
        number_of[found] = np.arange(len(found))
        slices = {
            key: number_of[component[nodes]]
            for key, nodes in self.slices.items()
            if (number_of[component[nodes]] >= 0).any()
        }
        reads = {
            name: number_of[component[nodes]]
            for name, nodes in self.read_by.items()
            if self.kinds[name] not in _PASSING
        }
        cut = {name for group in groups for name in group}
        why = {name: why for name, why in self.blocked.items() if name in self.parts}
        for name in self.parts:
            made = self.made_by[name]
            if len(made) and not cut & {name} and name not in self.output:
                why.setdefault(name, "its units are added to those of layers that stay")
        gone = {name for name in why if self._in_attention(name)}
        return NetUnits(
            np.arange(len(found)),
            codes,
            tuple(self._kind_of(group) for group in names),
            tuple(", ".join(group) for group in names),
            slices,
            frozenset(self.made),
            {name: units for name, units in reads.items() if (units >= 0).any()},
            {name: reason for name, reason in why.items() if name not in gone},
        )

    def _kind_of(self, names):
        if names == [_ROWS]:
            return "input"
        wide = ("conv", "transposed", "grouped")
        return "channel" if any(self.kinds[name] in wide for name in names) else "neuron"


def _n_places(part):
    return len(part.kernel_size)


def _with_nan(tensor, axis, chosen):
    shape = [1] * tensor.ndim
    shape[axis] = -1
    chosen = torch.as_tensor(np.asarray(chosen), device=tensor.device).reshape(shape)
    return tensor.masked_fill(chosen, math.nan)


def _overlap(one, other):
    return any((one[key] & hit).any() for key, hit in other.items() if key in one)


def _tensors(thing):
    """The tensors of numbers in nested arguments or outputs."""
    if isinstance(thing, torch.Tensor):
        if thing.is_floating_point():
            yield thing
    elif isinstance(thing, nn.utils.rnn.PackedSequence):
        yield from _tensors(thing.data)
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from _tensors(value)
    elif isinstance(thing, list | tuple):
        for value in thing:
            yield from _tensors(value)


def _copied(outputs):
    if isinstance(outputs, torch.Tensor):
        return outputs.clone()
    if isinstance(outputs, nn.utils.rnn.PackedSequence):
        return outputs._replace(data=outputs.data.clone())
    if isinstance(outputs, tuple):
        return tuple(map(_copied, outputs))
    return outputs


def _has_nan(outputs):
    return any(bool(tensor.isnan().any()) for tensor in _tensors(outputs))
