import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune._seeds import derive_seed, draw_seed, fill_random_states, row_keys


def test_keys_depend_on_seed_and_position_only():
    keys = row_keys(7, 1000)
    assert np.array_equal(row_keys(7, 10), keys[:10])
    for start in (1, 4, 6, 500, 999):
        assert np.array_equal(row_keys(7, 1000 - start, start), keys[start:])
    assert not np.intersect1d(row_keys(8, 1000), keys).size


def test_keys_are_the_same_everywhere():
    assert row_keys(0, 3).tolist() == [
        0.014067035665647709,
        0.2577672456246177,
        0.47156538101528966,
    ]


def test_keys_are_uniform():
    keys = row_keys(3, 100_000)
    assert keys.min() >= 0
    assert keys.max() < 1
    counts = np.histogram(keys, 20, (0, 1))[0]
    assert abs(counts - 5000).max() < 5 * np.sqrt(5000)


def test_a_role_has_its_own_seed():
    assert derive_seed(0, "a") == derive_seed(0, "a")
    assert len({derive_seed(s, r) for s in range(20) for r in ("a", "b", "c")}) == 60


def test_only_missing_seeds_are_filled():
    model = BaggingClassifier(DecisionTreeClassifier(random_state=5))
    fill_random_states(model, 0, "estimator")
    assert model.estimator.random_state == 5
    assert model.random_state == derive_seed(0, "estimator__random_state")
    again = fill_random_states(LogisticRegression(), 0, "estimator")
    assert again.random_state == model.random_state


def test_an_int_draws_nothing():
    state = np.random.get_state()[2]
    assert draw_seed(np.int64(3)) == 3
    assert np.random.get_state()[2] == state
    rng = np.random.RandomState(0)
    assert draw_seed(rng) != draw_seed(rng)


def test_torch_is_seeded_inside_and_restored_outside():
    torch = pytest.importorskip("torch")
    from skorch import NeuralNetClassifier

    from sklearn_prune._seeds import seeded_torch

    net = NeuralNetClassifier(torch.nn.Linear)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    draws = []
    for _ in range(2):
        with seeded_torch(net, 0):
            draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[1]
    assert torch.equal(torch.random.get_rng_state(), before)
    with seeded_torch(net, None), seeded_torch(LogisticRegression(), 0):
        torch.rand(1)
    assert not torch.equal(torch.random.get_rng_state(), before)
