"""Forged files that random changes do not find."""

import json
import zipfile
from io import BytesIO

import numpy as np
import pytest

from sklearn_prune.persistence import LoadError, load, save
from sklearn_prune.persistence._archive import write_members
from sklearn_prune.persistence._checks import check_parts
from sklearn_prune.predictors.nets.layers import Dense
from sklearn_prune.predictors.nets.weights import SparseWeights
from sklearn_prune.predictors.quantized import QuantizedArray
from sklearn_prune.predictors.trees.leaves import ShareLeaves
from tests.persistence.damage import claiming, members_of, node

pytest.importorskip("skops")
BYTES = 1 << 30


def parts_of(content):
    members, header = members_of(content)
    return json.loads(members["schema.json"]), members, header


def refused(path, schema, members, header, match, **params):
    write_members(path, members | {"schema.json": json.dumps(schema).encode()}, header)
    with pytest.raises(LoadError, match=match):
        load(path, **params)


def add_attribute(schema, name, value):
    schema["content"]["content"][name] = value
    types = schema["content"]["key_types"]["content"]
    types.append(types[0])


def stored_array(file):
    return node("numpy", "ndarray", "NdArrayNode", type="numpy", file=file)


@pytest.mark.parametrize("name", ["_check", "_is_plain", "predict", "__sklearn_tags__"])
def test_attributes_do_not_stand_for_methods(name, files, path):
    """A function of numpy in the place of the check of X would let any X pass."""
    schema, members, header = parts_of(files["forest"])
    add_attribute(schema, name, node("numpy", "positive", "FunctionNode"))
    refused(path, schema, members, header, f"the attribute {name}")


def test_attributes_do_not_set_properties(files, path):
    """Leaf values that are set after the trees are checked."""
    schema, members, header = parts_of(files["forest for numbers"])
    array = next(name for name in members if name.endswith(".npy"))
    add_attribute(schema, "leaf_values_", stored_array(array))
    refused(path, schema, members, header, "attribute leaf_values_")


def test_parts_in_arrays_of_objects_are_checked():
    hidden = np.empty(1, dtype=object)
    hidden[0] = ShareLeaves(np.ones((2, 3), np.uint8), np.array([0, 3]))
    assert any(isinstance(part, ShareLeaves) for part in check_parts(hidden, BYTES))


def test_counts_that_overflow():
    """The last one is -1 in 64 bits: their sum is 0, as is the number of entries."""
    counts = np.array([1, 2**64 - 1], dtype=np.uint64)
    none = np.zeros(0, dtype=np.float32)
    weights = SparseWeights(none, np.zeros(0, np.uint8), counts, (2, 4))
    with pytest.raises(ValueError, match="counts of weights"):
        check_parts(weights, BYTES)


def test_bounds_that_overflow():
    from sklearn_prune.predictors.trees.checks import _last_of_shares

    bounds = np.array([2**64 - 10**9, 3], dtype=np.uint64)
    with pytest.raises(ValueError, match="outputs begin"):
        _last_of_shares(ShareLeaves(np.ones((2, 3), np.uint8), bounds))


def test_dense_layers_have_matrices():
    layer = Dense()
    layer.weights = QuantizedArray(
        np.ones((1, 4, 1), np.int8), scale=np.ones(1, np.float32)
    )
    with pytest.raises(ValueError, match="shape of weights"):
        check_parts(layer, BYTES)


def test_lists_of_lists_of_lists(files, path):
    """Each holds the one before twice: 2**60 in all, in a short file."""
    _, members, header = parts_of(files["forest"])

    def nested(number, content):
        return node("builtins", "list", "ListNode", __id__=number, content=content)

    inner = nested(1000, [])
    for number in range(1001, 1060):
        inner = nested(number, [inner, nested(number - 1, [])])
    refused(path, inner | {"protocol": 2}, members, header, "differ")


def test_members_that_are_read_many_times(files, path):
    _, members, header = parts_of(files["forest"])
    members["big.npy"] = _array(np.zeros(100_000, np.uint8))
    arrays = [stored_array("big.npy")] * 50
    many = node("builtins", "list", "ListNode", protocol=2, content=arrays)
    refused(path, many, members, header, "read more than", max_bytes=1_000_000)


def test_descriptions_of_older_protocols(files, path):
    schema, members, header = parts_of(files["forest"])
    refused(path, schema | {"protocol": 0}, members, header, "too old")


def test_a_bomb_in_several_archives(files, path):
    _, members, header = parts_of(files["forest"])
    inner = BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", _array(np.zeros(600_000, np.uint8)))
    bombs = {f"bomb{k}.npz": inner.getvalue() for k in range(2)}
    write_members(path, members | bombs, header)
    with pytest.raises(LoadError, match="holds 'data.npy'"):
        load(path, max_bytes=1_000_000)


def test_arrays_of_empty_texts(files, path):
    _, members, header = parts_of(files["forest"])
    write_members(path, members | {"texts.npy": claiming("<U0", 10**9)}, header)
    with pytest.raises(LoadError, match="holds <U0"):
        load(path)


@pytest.mark.parametrize("n_features", [0, -1])
def test_hashing_divides_by_no_zero(n_features, path):
    from sklearn.feature_extraction import FeatureHasher

    hasher = FeatureHasher(8).fit([])
    hasher.n_features = n_features
    save(hasher, path)
    with pytest.raises(LoadError, match="n_features"):
        load(path)


def _array(values):
    stream = BytesIO()
    np.save(stream, values)
    return stream.getvalue()
