"""Forged files that random changes do not find."""

import json
import zipfile
from hashlib import sha256
from io import BytesIO

import numpy as np
import pytest

from sklearn_prune.persistence import LoadError, load, save
from sklearn_prune.predictors.nets.checks import CHECKS
from sklearn_prune.predictors.nets.layers import Dense, Layer
from sklearn_prune.predictors.nets.weights import SparseWeights
from sklearn_prune.predictors.quantized import QuantizedArray
from sklearn_prune.predictors.trees.leaves import ShareLeaves
from tests.persistence.damage import (
    claiming,
    members_of,
    node,
    schema_of,
    with_schema,
    write,
)

pytest.importorskip("skops")


def refused(path, document, members, match, **params):
    write(path, document, members)
    with pytest.raises(LoadError, match=match):
        load(path, **params)


@pytest.mark.parametrize("name", ["_check", "_is_plain", "predict", "__sklearn_tags__"])
def test_attributes_do_not_stand_for_methods(name, files, path):
    """A function of numpy in the place of the check of X would let any X pass."""
    document, members = members_of(files["forest"])
    document["model"][name] = {"ufunc": "positive"}
    refused(path, document, members, f"the attribute {name}")


def test_attributes_do_not_set_properties(files, path):
    """Leaf values that are set after the trees are checked."""
    document, members = members_of(files["forest for numbers"])
    document["model"]["leaf_values_"] = {"f8": [1.0]}
    refused(path, document, members, "attribute leaf_values_")


def test_methods_of_parts_of_scikit_learn_stay(files, path):
    document, members = members_of(files["columns"])
    schema, arrays = schema_of(members)
    scaler = schema["content"][0]["content"]
    scaler["content"]["transform"] = node("numpy", "positive", "FunctionNode")
    scaler["key_types"]["content"].append(scaler["key_types"]["content"][0])
    refused(path, document, with_schema(members, schema, arrays), "the attribute transform")


@pytest.mark.parametrize("value", [2.5, None, [], {"f8": [1.0]}])
def test_numbers_do_not_stand_for_a_model(value, files, path):
    document, _ = members_of(files["tree"])
    document["model"] = value
    document.pop("witness")
    refused(path, document, {}, "it holds a .* in place of a model")


def test_counts_that_overflow():
    """The last one is -1 in 64 bits: their sum is 0, as is the number of entries."""
    counts = np.array([1, 2**64 - 1], dtype=np.uint64)
    none = np.zeros(0, dtype=np.float32)
    weights = SparseWeights(none, np.zeros(0, np.uint8), counts, (2, 4))
    with pytest.raises(ValueError, match="counts of weights"):
        CHECKS[SparseWeights](weights)


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
        CHECKS[Layer](layer)


def test_lists_of_lists_of_lists(files, path):
    """Each holds the one before twice: 2**60 in all, in a short file."""
    document, members = members_of(files["forest"])
    document["shared"] = [[{"same": k + 1}, {"same": k + 1}] for k in range(60)] + [[]]
    document["model"]["_importances"] = {"same": 0}
    refused(path, document, members, "nesting")
    document["shared"] = [[{"same": k + 1}, {"same": k + 1}] for k in range(29)] + [[]]
    refused(path, document, members, "nesting")
    document["shared"] = [{"tuple": [{"same": 0}]}]
    refused(path, document, members, "contains itself")
    document, members = members_of(files["columns"])
    schema, arrays = schema_of(members)

    def nested(number, content):
        return node("builtins", "list", "ListNode", __id__=number, content=content)

    inner = nested(1000, [])
    for number in range(1001, 1060):
        inner = nested(number, [inner, nested(number - 1, [])])
    schema = inner | {"protocol": 2}
    refused(path, document, with_schema(members, schema, arrays), "differ")


@pytest.mark.parametrize(
    "part",
    [
        {"u1": [256]},
        {"u1": [0.5]},
        {"u8": [-1]},
        {"f8": [[1.0]]},
        {"f8": [True]},
        {"f8": [1.0], "shape": [2]},
        {"f8": [1.0], "shape": [-1]},
        {"f8": [1.0], "shape": [1], "order": "K"},
        {"V8": [1]},
        {"O8": [1]},
        {"M8[ns]": ["2020"]},
        {"M8[x]": [1]},
        {"U": [1]},
        {"u1": "AA"},
        {"f8": "AAAA"},
        {"b1": "AgAA"},
        {"U": "AAAA"},
        {"u1": "AAAA", "shape": [4]},
        {"U": ["a" * 99_999, *["b"] * 9999]},
        {"f8": [1.0], "u1": [1]},
        {"dict": [["a", 1]]},
        {"pairs": [[1, 1], [1, 2]]},
        {"pairs": [[[1], 1]]},
        {"npy": -1},
        {"npy": True},
        {"npy": 99},
        {"json": 0},
        {"part": 0},
        {"same": 0},
        {"ufunc": "load"},
        {"ufunc": "os.system"},
        {"function": "print"},
        {"dtype": "O"},
        {"type": "object"},
        {"float": "1e5"},
        {"form": "os.system"},
        {"form": ["forest"]},
        {"form": "trees"},
        {"csr_matrix": [{"f8": [1]}, {"i4": [9]}, {"i4": [0, 1]}], "shape": [1, 2]},
        {},
    ],
    ids=str,
)
def test_parts_that_are_none(part, files, path):
    document, members = members_of(files["forest"])
    document["model"]["best_params_"] = {"a": part}
    refused(path, document, members, r"save wrote it|forms=")


def test_more_in_a_list_than_it_takes(files, path):
    document, members = members_of(files["forest"])
    text = json.dumps(document)[:-1] + ', "metadata": [' + "[]," * 200_000 + "[]]}"
    refused(path, text.encode(), members, "too many parts", max_bytes=1_000_000)
    text = text.replace('"metadata"', '"model": 1, "model"')
    refused(path, text.encode(), members, "twice")


def test_members_that_are_read_many_times(files, path):
    document, members = members_of(files["columns"])
    _, arrays = schema_of(members)
    arrays["big.npy"] = _array(np.zeros(100_000, np.uint8))
    part = node("numpy", "ndarray", "NdArrayNode", type="numpy", file="big.npy")
    many = node("builtins", "list", "ListNode", protocol=2, content=[part] * 50)
    members = with_schema(members, many, arrays)
    refused(path, document, members, "read more than", max_bytes=1_000_000)


def test_descriptions_of_older_protocols(files, path):
    document, members = members_of(files["columns"])
    schema, arrays = schema_of(members)
    members = with_schema(members, schema | {"protocol": 0}, arrays)
    refused(path, document, members, "too old")


def test_a_bomb_in_several_archives(files, path):
    document, members = members_of(files["columns"])
    schema, arrays = schema_of(members)
    inner = BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.npy", _array(np.zeros(600_000, np.uint8)))
    arrays |= {f"bomb{k}.npz": inner.getvalue() for k in range(2)}
    members = with_schema(members, schema, arrays)
    refused(path, document, members, r"holds 'data\.npy'", max_bytes=1_000_000)


def test_arrays_of_empty_texts(files, path):
    document, members = members_of(files["columns"])
    schema, arrays = schema_of(members)
    arrays["texts.npy"] = claiming("<U0", 10**9)
    refused(path, document, with_schema(members, schema, arrays), "holds <U0")


def test_the_same_member_in_two_places(files, path):
    """An archive whose members overlap takes more than it claims."""
    content = bytearray(files["process"])
    first = content.index(b"PK\1\2")
    second = content.index(b"PK\1\2", first + 4)
    third = content.index(b"PK\1\2", second + 4)
    content[third + 42 : third + 46] = content[second + 42 : second + 46]
    content[-32:] = sha256(content[:-32]).digest()
    path.write_bytes(content)
    with pytest.raises(LoadError, match="follow each other"):
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
