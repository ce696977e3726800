"""Bytes of what is reachable and of the pickle."""

import pickle
from types import SimpleNamespace

import numpy as np

from sklearn_prune.predictors import stored_bytes
from sklearn_prune.predictors.quantized import arrays_in


def test_every_array_counts_once():
    base = np.zeros(100)
    holder = SimpleNamespace(a={"x": base, "y": [base, base[10:20]]})
    holder.other = (np.ones(7, dtype=np.int8), holder)
    assert sorted(array.nbytes for array in arrays_in(holder)) == [7, 800]


def test_arrays_of_objects_are_entered():
    nested = np.empty(2, dtype=object)
    nested[0] = np.zeros(5)
    assert [array.nbytes for array in arrays_in(nested)] == [16, 40]


def test_stored_bytes_is_the_length_of_the_pickle():
    thing = {"a": np.arange(100_000), "b": "text", "c": [np.zeros((3, 4), order="F")]}
    assert stored_bytes(thing) == len(pickle.dumps(thing, protocol=5))
