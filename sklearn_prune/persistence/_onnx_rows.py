"""What a predictor reads in a graph: one array, or a column for each input."""

import numpy as np


class Rows:
    """What a predictor reads: one array, or one column for each of several inputs.

    Parameters
    ----------
    values : list of Value
        One array, or columns of shape (n_samples, 1).
    names : list of str
        Of the inputs.
    """

    def __init__(self, values, names=None):
        self.values = list(values)
        self.names = names

    first = property(lambda self: self.values[0])

    @property
    def key(self):
        """Says whether two are the same."""
        return tuple(value.name for value in self.values)

    def array(self, dtype=None):
        """All in one array of floats; as they are, or in a type."""
        graph = self.first.graph
        for value in self.values:
            if value.dtype.kind in "OU":
                raise TypeError(
                    "A predictor reads numbers, and texts by a transformer. Got strings in "
                    f"{value.name!r}. Encode them in a Pipeline."
                )
        values = [value.as_float() for value in self.values]
        joined = graph.concat(values)
        return joined if dtype is None else joined.cast(dtype)

    def take(self, columns):
        """Some of the columns."""
        columns = np.asarray(columns, dtype=np.int64)
        if len(self.values) > 1:
            names = self.names and [self.names[column] for column in columns]
            return Rows([self.values[column] for column in columns], names)
        return Rows([self.first.take(columns, axis=1)])
