"""The working form of a net."""

from dataclasses import dataclass, field, replace

import numpy as np

from sklearn_prune.weight_pruning.compact._net_graph import Graph


@dataclass(frozen=True)
class NetWork:
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
    teacher : NetWork or None
        The net before it was pruned, whose outputs count as targets in a refit.
    """

    model: object
    graph: Graph | None
    values: dict
    masks: dict = field(default_factory=dict)
    n_epochs: int = 0
    reason: str | None = None
    teacher: object = None

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
