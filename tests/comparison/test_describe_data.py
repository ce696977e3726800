import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.sparse import coo_array, csc_matrix, csr_array, csr_matrix

from sklearn_prune.comparison.provenance.data import block_bounds
from sklearn_prune.comparison.provenance.descriptions import describe_data
from sklearn_prune.comparison.provenance.manifest import first_difference

DTYPES = st.one_of(
    hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.integer_dtypes(),
    hnp.boolean_dtypes(),
    hnp.complex_number_dtypes(sizes=(64, 128)),
    hnp.datetime64_dtypes(),
)
ARRAYS = DTYPES.flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, max_side=9))
)


def changed_rows(old, new):
    """The rows of the blocks whose hashes differ."""
    bounds = block_bounds(old["shape"][0], len(old["blocks"]))
    pairs = enumerate(zip(old["blocks"], new["blocks"], strict=True))
    return {
        row
        for block, (one, other) in pairs
        if one != other
        for row in range(bounds[block], bounds[block + 1])
    }


@given(ARRAYS)
def test_memory_layout_does_not_count(array):
    described = describe_data(array)
    strided = np.repeat(array, 2, axis=-1)[..., ::2]
    padded = np.zeros((len(array) + 2, *array.shape[1:]), array.dtype)[1:-1]
    padded[...] = array
    locked = array.copy()
    locked.setflags(write=False)
    for same in (
        np.asfortranarray(array),
        strided,
        padded,
        array[::-1].copy()[::-1],
        array.astype(array.dtype.newbyteorder()),
        locked,
    ):
        np.testing.assert_array_equal(same, array)
        assert describe_data(same) == described
    assert json.loads(json.dumps(described)) == described


@given(ARRAYS, st.data())
def test_a_changed_entry_is_found(array, data):
    position = tuple(data.draw(st.integers(0, side - 1)) for side in array.shape)
    changed = array.copy()
    changed[position] = data.draw(hnp.arrays(array.dtype, 1))[0]
    assume(changed[position].tobytes() != array[position].tobytes())
    assume(
        not (changed[position] != changed[position] and array[position] != array[position])
    )
    old, new = describe_data(array), describe_data(changed)
    assert old["sha256"] != new["sha256"]
    assert changed_rows(old, new) == {position[0]}
    sentence = first_difference({"data": {"X": old}}, {"data": {"X": new}})
    assert sentence == f"X: row {position[0]} of {len(array)} differs"


@given(st.integers(65, 700), st.data())
def test_of_many_rows_a_few_are_named(n_rows, data):
    row = data.draw(st.integers(0, n_rows - 1))
    X = np.zeros((n_rows, 2), dtype=np.float32)
    old = describe_data(X)
    X[row, 1] = 1
    rows = changed_rows(old, describe_data(X))
    assert row in rows
    assert len(rows) <= n_rows // 64 + 1
    assert len(old["blocks"]) == 64


def test_shape_dtype_and_order_count():
    X = np.arange(12)
    others = [
        X,
        X.reshape(3, 4),
        X.reshape(4, 3),
        X.reshape(12, 1),
        X[::-1],
        X.astype(np.int32),
        X.astype(np.uint64),
        X.astype(float),
        X.astype(object),
        X.astype(str),
        csr_array(X.reshape(3, 4)),
        np.array(3),
        np.array([3]),
        X[:0],
        X[:0].reshape(0, 3),
        None,
    ]
    assert len({describe_data(other)["sha256"] for other in others}) == len(others)


def test_all_nan_are_one_value_and_zeros_are_two():
    quiet = np.zeros(4)
    quiet[2] = np.nan
    signalling = quiet.copy()
    signalling.view(np.uint64)[2] |= 0x8000_0000_0000_0007
    assert np.isnan(signalling[2])
    assert signalling.tobytes() != quiet.tobytes()
    assert describe_data(signalling) == describe_data(quiet)
    assert describe_data(signalling * 1j) == describe_data(quiet * 1j)
    assert describe_data(signalling.tolist()) == describe_data(quiet)
    assert describe_data(-np.zeros(3)) != describe_data(np.zeros(3))
    for missing in (None, np.nan, "nan", "None"):
        objects = np.array([1, missing], dtype=object)
        others = {None, "nan", "None", 1.0} - {missing}
        assert all(
            describe_data(objects) != describe_data(np.array([1, other], dtype=object))
            for other in others
        )


def test_memory_map(tmp_path):
    X = np.random.default_rng(0).normal(size=(300, 7)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap)
    assert describe_data(mapped) == describe_data(X)
    assert describe_data(mapped[::2]) == describe_data(X[::2])


def test_padding_of_structures_and_long_doubles_does_not_count():
    dtype = np.dtype([("a", "i1"), ("b", "f8"), ("c", "i2", (2,))], align=True)
    zeros, ones = bytearray(5 * dtype.itemsize), bytearray(b"\xff" * 5 * dtype.itemsize)
    one, other = np.frombuffer(zeros, dtype), np.frombuffer(ones, dtype)
    for name in dtype.names:
        other[name] = one[name]
    assert zeros != ones
    assert describe_data(one) == describe_data(other)
    other["c"][3, 1] = 9
    assert changed_rows(describe_data(one), describe_data(other)) == {3}

    long = np.array([0, 1, -np.inf, np.nan, 1e300], dtype=np.longdouble) / 3
    raw = long.copy().view(np.uint8).reshape(len(long), -1)
    if np.finfo(np.longdouble).nmant == 63:
        raw[:, 10:] = 0xAB
    assert describe_data(raw.reshape(-1).view(np.longdouble)) == describe_data(long)
    nearby = np.nextafter(long, np.longdouble(1))
    assert changed_rows(describe_data(long), describe_data(nearby)) == {0, 1, 2, 4}


def test_a_large_array_is_never_copied(monkeypatch):
    import tracemalloc

    X = np.asfortranarray(np.random.default_rng(0).random((40_000, 100)))
    tracemalloc.start()
    try:
        for values in (X, X.astype(">f8", order="C"), csr_array(X[:, ::20])):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            describe_data(values)
            assert tracemalloc.get_traced_memory()[1] - before < 10e6
    finally:
        tracemalloc.stop()


@given(
    hnp.arrays(
        np.int8,
        st.tuples(st.integers(1, 90), st.integers(1, 5)),
        elements=st.integers(0, 2),
    ),
    st.sampled_from([np.float64, np.float32, np.int64]),
    st.randoms(use_true_random=False),
)
def test_form_of_a_sparse_matrix_does_not_count(dense, dtype, random):
    X = csr_array(dense.astype(dtype))
    described = describe_data(X)
    assert described["shape"] == list(dense.shape)
    rows, columns = np.nonzero(np.ones_like(dense))
    entries = list(zip(rows, columns, dense[rows, columns], strict=True))
    entries += [
        (row, column, sign * 7) for row, column, _ in entries[:3] for sign in (1, -1)
    ]
    random.shuffle(entries)
    rows, columns, values = (np.array(part) for part in zip(*entries, strict=True))
    untidy = coo_array((values.astype(dtype), (rows, columns)), shape=dense.shape)
    wide = X.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    for same in (untidy, untidy.tocsr(), csc_matrix(X), csr_matrix(X), X.tolil(), wide):
        assert describe_data(same) == described
    assert X.nnz == np.count_nonzero(dense)  # the input is not tidied up in place
    row, column = random.randrange(dense.shape[0]), random.randrange(dense.shape[1])
    dense[row, column] += 1
    changed = describe_data(csr_array(dense.astype(dtype)))
    assert row in changed_rows(described, changed)
    assert changed["sha256"] != described["sha256"]


def test_sparse_input_is_left_as_it_is():
    X = csr_array(
        (np.array([1.0, 0.0, 2.0]), np.array([2, 0, 2]), np.array([0, 2, 3])), (2, 3)
    )
    before = [array.copy() for array in (X.data, X.indices, X.indptr)]
    describe_data(X)
    for array, copied in zip((X.data, X.indices, X.indptr), before, strict=True):
        np.testing.assert_array_equal(array, copied)


def test_texts():
    texts = ["spam", "ham", "", "é", "\ud800"]
    described = describe_data(texts)
    assert described["shape"] == [5]
    assert describe_data(tuple(texts)) == described
    assert describe_data(np.array(texts)) == described
    assert describe_data(np.array(texts, dtype="U90")) == described
    assert describe_data(["spa", "mham", "", "é", "\ud800"]) != described
    assert describe_data(["spam", "ham", "é", "", "\ud800"]) != described
    assert describe_data([b"spam", b"ham"]) != describe_data(["spam", "ham"])


def test_lists():
    X = [[1.0, 2.0], [3.0, 4.0]]
    assert describe_data(X) == describe_data(np.array(X))
    ragged = [[1.0, 2.0], [3.0]]
    assert describe_data(ragged)["kind"] == "list"
    assert describe_data(ragged) != describe_data([[1.0], [2.0, 3.0]])
    mixed = [["a", 1], ["b", None]]
    assert changed_rows(describe_data(mixed), describe_data([["a", 1], ["b", 2]])) == {1}
    assert describe_data([{"a": 1}, {"b": 2}]) == describe_data([{"a": 1}, {"b": 2}])
    assert describe_data([])["blocks"] == []


def test_mappings_are_described_by_part():
    X = {"image": np.zeros((3, 4, 4)), "age": np.arange(3)}
    described = describe_data(X)
    assert set(described["parts"]) == {"image", "age"}
    assert describe_data(dict(reversed(X.items())))["sha256"] == described["sha256"]
    assert describe_data(X | {"age": np.arange(3)[::-1]})["sha256"] != described["sha256"]
    assert (
        describe_data({"imag": X["image"], "age": X["age"]})["sha256"]
        != described["sha256"]
    )


def test_tensors_are_the_arrays_that_they_hold():
    torch = pytest.importorskip("torch")
    X = np.random.default_rng(0).normal(size=(5, 3, 2)).astype(np.float32)
    tensor = torch.tensor(X, requires_grad=True)
    assert describe_data(tensor) == describe_data(X)
    assert describe_data(torch.tensor(X).permute(2, 1, 0)) == describe_data(X.transpose())
    half = torch.tensor(X).to(torch.bfloat16)
    assert describe_data(half)["dtype"] == "bfloat16"
    assert describe_data(half)["shape"] == [5, 3, 2]
    assert describe_data(half) != describe_data(half + 1)
    assert describe_data(torch.tensor(X[:, 0]).to_sparse()) == describe_data(X[:, 0])


def test_other_objects_are_described():
    class Rows:
        def __init__(self, n):
            self.n = n

    assert describe_data(Rows(3)) == describe_data(Rows(3))
    assert describe_data(Rows(3)) != describe_data(Rows(4))


@pytest.mark.parametrize("n_rows", [0, 1, 2, 63, 64, 65, 1797])
def test_blocks_cover_the_rows(n_rows):
    n_blocks = min(64, n_rows)
    bounds = block_bounds(n_rows, n_blocks) if n_blocks else [0]
    sizes = np.diff(bounds)
    assert bounds[0] == 0
    assert bounds[-1] == n_rows
    assert np.all(sizes >= 1)
    assert n_blocks == 0 or np.ptp(sizes) <= 1
    assert len(describe_data(np.zeros((n_rows, 2)))["blocks"]) == n_blocks
