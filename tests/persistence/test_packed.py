"""Packed parts of files: one member of a net, checked before anything is made of it."""

import json
import pickle
import zipfile

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from sklearn_prune.persistence import LoadError, load, save
from sklearn_prune.predictors import CompactNetRegressor, SparseWeights, arrays_in
from sklearn_prune.predictors.nets.weights import in_steps, of_steps, rounded_bias
from sklearn_prune.predictors.storage import archive, encode
from sklearn_prune.weight_pruning import Quantizer
from tests.persistence.damage import members_of, write
from tests.predictors.test_net import sparse_chain

RANDOM = np.random.default_rng(0)


def small_net(share=0.1, dtype=np.float32, quantizer=None):
    net = CompactNetRegressor.of(*sparse_chain((90, 40, 30, 4), share, dtype), 90)
    return net if quantizer is None else net.quantized(quantizer)


@pytest.mark.parametrize("scheme", [None, "float16", "int8", "codebook"])
@pytest.mark.parametrize("share", [1.0, 0.3, 0.02])
@pytest.mark.parametrize("large", [False, True])
def test_every_array_comes_back(share, scheme, large, path, monkeypatch):
    if large:  # members of their own, as larger nets have them
        monkeypatch.setattr(encode, "SMALL", 0)
    quantizer = None if scheme is None else Quantizer(scheme, n_values=9)
    net = small_net(share, quantizer=quantizer)
    save(net, path)
    names = zipfile.ZipFile(path).namelist()
    assert ("raw" in {name.rpartition(".")[2] for name in names}) == (not large)
    loaded = load(path)
    copies = (pickle.loads(pickle.dumps(each)) for each in (net, loaded))  # without caches
    wanted, found = ([*arrays_in(each)] for each in copies)
    assert sorted((a.dtype.str, a.tobytes()) for a in wanted) == sorted(
        (a.dtype.str, a.tobytes()) for a in found
    )
    rows = RANDOM.normal(size=(20, 90)).astype(np.float32)
    np.testing.assert_array_equal(loaded.predict(rows), net.predict(rows))


def test_a_net_takes_two_members_and_few_bytes(path):
    net = small_net(0.05, quantizer=Quantizer("codebook", n_values=8))
    save(net, path, witness=False)
    assert zipfile.ZipFile(path).namelist() == ["model.json", "0.raw"]
    assert zipfile.ZipFile(path).testzip() is None
    n_weights = sum(np.count_nonzero(v) for v in net.full_values().values() if v.ndim > 1)
    assert path.stat().st_size < 1.5 * n_weights + 1000


@pytest.mark.parametrize(
    "shape", [(1, 1), (3, 700), (5, 70_000), (40, 4, 3, 3), (300, 9), (2, 300)]
)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.4, 1.0])
def test_places_are_gaps_and_counts(shape, share):
    weights = RANDOM.normal(size=shape) * (RANDOM.random(shape) < share)
    packed = SparseWeights.of(weights)
    state = packed._file_state()
    assert not {"gaps", "counts"} & state.keys()
    again = SparseWeights.__new__(SparseWeights)
    again._set_file_state(state)
    np.testing.assert_array_equal(again.dense(), weights)
    for name in ("gaps", "counts", "values"):
        one, two = getattr(packed, name), getattr(again, name)
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)
    assert packed._file_state(mapped=True).keys() >= {"gaps", "counts"}


@pytest.mark.parametrize("size", [1e-6, 1e-3, 0.2, 3.0, 900.0, 1e5])
@pytest.mark.parametrize("error", [0.0, 0.01, np.inf])
@pytest.mark.parametrize("seed", range(3))
def test_biases_move_by_no_more_than_they_may(size, error, seed):
    random = np.random.default_rng(seed)
    bias = (random.normal(size=50) * size).astype(np.float32)
    rounded = rounded_bias(bias, error * size)
    assert np.abs(rounded - bias).max() <= error * size or error == 0
    if error == 0:
        np.testing.assert_array_equal(rounded, bias)
    stepped = in_steps(rounded)
    assert stepped is not None or error < np.inf or size > 1e4
    if stepped is not None:
        assert stepped[0].dtype == np.int8
        np.testing.assert_array_equal(of_steps(*stepped), rounded)


def test_what_has_no_steps():
    for values in ([np.inf, 1.0], [np.nan], [-0.0, 1.0], [1.0, 1.001], []):
        assert in_steps(np.array(values, dtype=np.float16)) is None
    assert in_steps(np.ones(2, dtype=np.float32)) is None
    codes, step = in_steps(np.array([0.0, 0.0], dtype=np.float16))
    np.testing.assert_array_equal(of_steps(codes, step), [0.0, 0.0])


def changed(raw, **how):
    """Packed parts with some keys of their document replaced."""
    text, _, content = raw.partition(b"\n")
    return json.dumps(json.loads(text) | how).encode() + b"\n" + content


def test_packed_parts_that_make_no_sense(path):
    save(small_net(), path)
    document, members = members_of(path.read_bytes())
    raw = members["0.raw"]
    arrays = json.loads(raw.partition(b"\n")[0])["arrays"]
    attacks = [
        raw[:-1],
        raw + b"0",
        raw[:40],
        b"",
        b"{}\n",
        changed(raw, more=1),
        changed(raw, state=[]),
        changed(raw, arrays={}),
        changed(raw, arrays=[["O", [1]], *arrays[1:]]),
        changed(raw, arrays=[["f4", [-4]], *arrays[1:]]),
        changed(raw, arrays=[["f4", [2**62]], *arrays[1:]]),
        changed(raw, arrays=[["f4", [40], "G"], *arrays[1:]]),
        changed(raw, arrays=arrays[:-1]),
        changed(raw, state={"predict": 1}),
        changed(raw, state={"classes_": None}),
        changed(raw, state={"layers_": {"npy": 99}}),
        changed(raw, shared=[{"same": 0}], state={"layers_": {"same": 0}}),
    ]
    for attack in attacks:
        write(path, document, members | {"0.raw": attack})
        with pytest.raises(LoadError):
            load(path)
    for number in (1, -1, "0", True, None, [0]):
        part = document["model"] | {"raw": number}
        write(path, document | {"model": part}, members)
        with pytest.raises(LoadError):
            load(path)
    write(path, document, members | {"1.raw": raw})
    with pytest.raises(LoadError, match=r"reads nothing of its member 1\.raw"):
        load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("places", np.full(3, 254, dtype=np.uint8)),
        ("places", np.zeros(3, dtype=np.int8)),
        ("read", np.zeros(12, dtype=np.uint8)),
        ("read", np.full(3, 255, dtype=np.uint8)),
        ("read", None),
        ("shape", (2, -90)),
        ("shape", (2**40, 90)),
        ("shape", (180,)),
        ("shape", [2, 90]),
    ],
)
def test_places_outside_of_the_matrix(name, value):
    state = SparseWeights.of(np.eye(2, 90))._file_state() | {name: value}
    with pytest.raises(ValueError, match="does not fit the rest"):
        SparseWeights.__new__(SparseWeights)._set_file_state(state)


def test_streams_that_are_damaged_or_too_long(path):
    save(small_net(), path)
    content = bytes(1000)
    packed = archive._lzma_packed(content)
    assert archive._lzma_unpacked(packed, 1000) == content
    wide = packed[:5] + b"\xff\xff\xff\xff" + packed[9:]  # claims a window of 4 GB
    assert archive._lzma_unpacked(wide, 1000) == content
    no_such_context = packed[:4] + b"\xff" + packed[5:]
    for wrong in (packed[:-1], packed + b"0", packed[:8], no_such_context):
        with pytest.raises(ValueError, match=r"short|no end|damaged"):
            archive._lzma_unpacked(wrong, 1000)
    bomb = archive._lzma_packed(bytes(50_000_000))
    with pytest.raises(ValueError, match="no end"):
        archive._lzma_unpacked(bomb, 1000)


def test_only_nets_need_the_new_format(path):
    line = LinearRegression().fit([[0.0], [1.0]], [0, 1])
    for model, number in ((line, 2), (small_net(), 3)):
        save(model, path)
        document, _ = members_of(path.read_bytes())
        assert (document["format"], document["min_reader"]) == (number, number)
    save(small_net(), path, compress=False)
    assert members_of(path.read_bytes())[0]["min_reader"] == 2
