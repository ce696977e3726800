"""Quantizers: how far a value may move, how many bytes it takes, what stays exact."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sklearn_prune.predictors.quantized import dense
from sklearn_prune.weight_pruning import Quantizer
from sklearn_prune.weight_pruning._quantize import check_quantize

VALUES = st.floats(-1e4, 1e4, width=32)
MATRICES = arrays(
    np.float64, array_shapes(min_dims=1, max_dims=2, max_side=12), elements=VALUES
)


@given(MATRICES)
def test_float16_is_the_nearest_half_float(array):
    assert np.array_equal(Quantizer("float16").quantize(array).dense(), array.astype("f2"))


@given(MATRICES)
def test_int8_moves_by_half_a_step_of_its_line_at_most(array):
    small = Quantizer("int8").quantize(array)
    axis = int(array.shape[0] < array.shape[1]) if array.ndim == 2 else None
    largest = np.abs(array).max(axis=axis, keepdims=array.ndim == 2)
    reach = np.maximum(largest, np.ptp(array, axis=axis, keepdims=array.ndim == 2))
    step = reach / 127
    rounding = 1e-5 * np.abs(array).max() + np.finfo(np.float32).tiny
    assert (np.abs(small.dense() - array) <= step / 2 + rounding).all()
    assert small.codes.dtype == np.int8


@given(MATRICES, st.integers(2, 256))
def test_codebook_takes_the_nearest_of_its_values(array, n_values):
    small = Quantizer("codebook", n_values=n_values).quantize(array)
    assert len(small.values) <= n_values
    moved = np.abs(small.dense() - array)
    nearest = np.abs(array.ravel()[:, None] - small.values[None]).min(axis=1)
    assert (moved.ravel() <= nearest + 1e-5 * np.abs(array).max()).all()


@pytest.mark.parametrize("scheme", ["float16", "int8", "codebook"])
def test_zeros_stay_zeros(scheme):
    array = np.random.default_rng(0).normal(size=(40, 5))
    array[::3] = 0
    rounded = Quantizer(scheme, n_values=16).quantize(array).dense()
    assert (rounded[::3] == 0).all()


def test_columns_of_one_sign_are_centred():
    array = np.random.default_rng(0).uniform(1000, 1001, size=(200, 3))
    rounded = Quantizer("int8").quantize(array).dense()
    assert np.abs(rounded - array).max() < 1 / 127 / 4 + 1e-4


@pytest.mark.parametrize(
    ("scheme", "n_values", "ratio"),
    [("float16", 256, 2), ("int8", 256, 3.9), ("codebook", 256, 3.6), ("codebook", 16, 7)],
)
def test_bytes(scheme, n_values, ratio):
    array = np.random.default_rng(0).normal(size=(1000, 11))
    small = Quantizer(scheme, n_values=n_values).quantize(array)
    assert array.astype(np.float32).nbytes >= ratio * small.nbytes
    assert small.shape == array.shape
    assert len(pickle.dumps(small)) < small.nbytes + 1000
    assert np.array_equal(pickle.loads(pickle.dumps(small)).dense(), small.dense())


def test_shared_values_are_better_than_even_steps():
    array = np.random.default_rng(0).laplace(size=5000) ** 3
    error = {
        scheme: np.square(
            Quantizer(scheme, n_values=256).quantize(array).dense() - array
        ).mean()
        for scheme in ("int8", "codebook")
    }
    assert error["codebook"] < error["int8"] / 2


def test_few_distinct_values_stay_exact():
    array = np.random.default_rng(0).choice([0.1, -2.5, 7.25, 0.0], size=(30, 7))
    small = Quantizer("codebook", n_values=4).quantize(array)
    assert np.array_equal(small.dense(), array.astype(np.float32))


def test_odd_number_of_packed_codes():
    array = np.arange(15.0).reshape(5, 3)
    small = Quantizer("codebook", n_values=16).quantize(array)
    assert small.codes.nbytes == 8
    assert np.array_equal(small.dense(), array)


def test_dense_leaves_plain_arrays_alone():
    array = np.ones(3)
    assert dense(array) is array


@pytest.mark.parametrize(
    ("quantize", "message"),
    [
        ("int4", "Got 'int4'"),
        (8, 'Write quantize="int8"'),
        (Quantizer("codebook", n_values=1), "n_values must be an int from 2 to 256"),
        (Quantizer("codebook", n_values=True), "n_values must be an int from 2 to 256"),
    ],
)
def test_wrong_quantizers(quantize, message):
    with pytest.raises(ValueError, match=message):
        check_quantize(quantize)


def test_too_large_for_half_floats():
    with pytest.raises(ValueError, match="65,504"):
        Quantizer("float16").quantize(np.array([1e6]))
