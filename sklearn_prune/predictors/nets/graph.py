"""A net as a list of operations on named parameters, for all that reads it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Operation:
    """One step from activations to activations.

    Parameters
    ----------
    kind : str
        "input" (the rows), "dense", "conv", "scale" (a factor and an offset for each unit:
        batch norm), "activation", "max_pool", "avg_pool", "adaptive_avg_pool",
        "adaptive_max_pool", "mean" (over all places), "flatten", "reshape" or "add".
    inputs : tuple of int
        Positions, in the list, of the operations whose results it reads.
    weight, bias : str or None
        Names of its parameters. A weight has the shape (n_out, n_in) where dense,
        (n_out, n_in / groups, *kernel) where it convolves, (n_units,) else.
    settings : dict
        conv: stride, padding, dilation (tuples of one int for each dimension), groups.
        activation: name, and what it needs (negative_slope, alpha, ...).
        pools: kernel_size, stride, padding, ceil_mode; max_pool also dilation, avg_pool
        also count_include_pad; adaptive pools: output_size. reshape: shape without rows.
    """

    kind: str
    inputs: tuple = ()
    weight: str | None = None
    bias: str | None = None
    settings: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """Units of a net that stand side by side: a hidden layer, channels, the inputs.

    Parameters
    ----------
    unit : {"neuron", "channel", "input"}
        What they are called.
    size : int
        How many there are.
    source : int
        Position of an operation whose result has them along axis 1.
    makers : tuple of (str, int)
        Names of the parameters that make them, each with the axis along which one entry
        is one unit. None for inputs.
    readers : tuple of (str, int, int)
        Names of the weights that read them, each with the axis and the number of
        neighbouring entries along it that belong to one unit: the places of a channel
        that was flattened.
    """

    unit: str
    size: int
    source: int
    makers: tuple
    readers: tuple


@dataclass(frozen=True)
class Graph:
    """Operations in the order in which they run, and the sites whose units can go.

    Parameters
    ----------
    operations : tuple of Operation
        The first is the input, the last gives the scores.
    sites : tuple of Site
        In the order of their sources.
    """

    operations: tuple
    sites: tuple
