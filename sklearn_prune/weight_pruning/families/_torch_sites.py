"""Which parameters make and read the units of each layer of a followed net."""

import math
from dataclasses import dataclass, field

from sklearn_prune.weight_pruning.compact._net_graph import Site

_MIXES = ("softmax", "log_softmax")


@dataclass
class _Units:
    """Units that live and go together, gathered while going through the operations."""

    unit: str
    size: int
    makers: list = field(default_factory=list)
    readers: list = field(default_factory=list)
    source: int = 0
    fixed: bool = False
    joined: object = None

    def all(self):
        """The units that these have been joined with."""
        return self if self.joined is None else self.joined.all()

    def join(self, other):
        """Both go together from now on."""
        mine, other = self.all(), other.all()
        if mine is other:
            return
        mine.makers += other.makers
        mine.source = max(mine.source, other.source)
        mine.readers += other.readers
        mine.fixed |= other.fixed or mine.size != other.size
        mine.fixed |= "input" in (mine.unit, other.unit)
        other.joined = mine


def sites_of(operations, shapes):
    """The sites of a list of operations, whose results have these shapes.

    Parameters
    ----------
    operations : tuple of Operation
        The last gives the output, whose units stay.
    shapes : list of tuple of int
        Shape of each result, rows first.

    Returns
    -------
    tuple of Site
        Those whose units can go.
    """
    found, units, blocks = [], [], []
    for position, (operation, shape) in enumerate(zip(operations, shapes, strict=True)):
        inputs = [units[source].all() for source in operation.inputs]
        block = blocks[operation.inputs[0]] if inputs else 1
        made = _step(operation, shape, inputs, block, shapes, position)
        if made not in found and not any(made is given for given in inputs):
            found.append(made)
        units.append(made)
        blocks.append(_block_after(operation, shapes, block))
    units[-1].all().fixed = True
    return tuple(
        Site(
            group.unit, group.size, group.source, tuple(group.makers), tuple(group.readers)
        )
        for group in found
        if group.joined is None and not group.fixed and group.readers
    )


def _step(operation, shape, inputs, block, shapes, position):
    """The units of the result of one operation."""
    kind = operation.kind
    if kind == "input":
        return _Units("input", shape[1] if len(shape) > 1 else 1, source=position)
    given = inputs[0]
    if kind in ("dense", "conv"):
        return _layer(operation, shape, given, block, shapes)
    if kind == "add":
        given.join(inputs[1])
        return given.all()
    if kind == "reshape":
        given.fixed = True
        return _Units("neuron", shape[1], fixed=True)
    if kind == "activation":
        given.fixed |= operation.settings["name"] in _MIXES
    if operation.weight is not None and not operation.settings.get(
        "shared"
    ):  # a factor, and perhaps an offset, for each unit
        names = [name for name in (operation.weight, operation.bias) if name]
        given.makers += [(name, 0) for name in names]
        given.fixed |= block != 1
    return given


def _layer(operation, shape, given, block, shapes):
    """Units that a dense or convolving operation makes of those that it reads."""
    names = [name for name in (operation.weight, operation.bias) if name]
    makers = [(name, 0) for name in names]
    unit = "channel" if operation.kind == "conv" else "neuron"
    groups = operation.settings.get("groups", 1)
    if groups == 1:
        given.readers.append((operation.weight, 1, block))
        if len(given.readers) == 1:
            given.source = operation.inputs[0]
        return _Units(unit, shape[1], makers)
    n_read = shapes[operation.inputs[0]][1]
    if groups == n_read == shape[1] and given.unit != "input":
        given.makers += makers  # each channel is convolved by itself
        return given
    given.fixed = True
    return _Units(unit, shape[1], makers, fixed=True)


def _block_after(operation, shapes, block):
    """Neighbouring entries, along axis 1, of each unit of the result."""
    if operation.kind == "flatten":
        return block * math.prod(shapes[operation.inputs[0]][2:])
    if operation.kind in ("dense", "conv", "input", "reshape"):
        return 1
    return block
