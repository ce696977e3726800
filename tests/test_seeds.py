import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_prune import _seeds as seeds


def test_keys_depend_on_seed_and_position_only():
    keys = seeds.row_keys(7, 1000)
    assert np.array_equal(seeds.row_keys(7, 10), keys[:10])
    for start in (1, 4, 6, 500, 999):
        assert np.array_equal(seeds.row_keys(7, 1000 - start, start), keys[start:])
    assert not np.intersect1d(seeds.row_keys(8, 1000), keys).size


def mixed(x):
    """The finalizer of SplitMix64 in Python's integers."""
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
    return x ^ x >> 31


@pytest.mark.parametrize("seed", [0, 7, 2**31])
def test_keys_are_those_of_the_formula(seed):
    low, high = map(int, np.random.SeedSequence(seed).generate_state(2))
    positions = [0, 1, 2, 999, 2**40]
    expected = [
        (mixed(mixed(p * 0x9E3779B97F4A7C15 % 2**64) ^ (high << 32 | low)) >> 11) / 2**53
        for p in positions
    ]
    assert [seeds.row_keys(seed, 1, p)[0] for p in positions] == expected


def test_the_mixing_is_that_of_splitmix64():
    state, outputs = 1234567, []  # the reference outputs of this seed
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        outputs.append(mixed(state))
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_keys_are_uniform():
    keys = seeds.row_keys(3, 100_000)
    assert keys.min() >= 0
    assert keys.max() < 1
    counts = np.histogram(keys, 20, (0, 1))[0]
    assert abs(counts - 5000).max() < 5 * np.sqrt(5000)


def test_keys_of_seeds_and_lags_are_uncorrelated():
    n = 20_000
    keys = np.array([seeds.row_keys(seed, n) for seed in range(21)])
    keys = (keys - 0.5) * np.sqrt(12)
    for lag in range(51):  # each pair in both orders: lags of both signs
        found = keys[:, lag:] @ keys[:, : n - lag].T / np.sqrt(n - lag)
        if lag == 0:
            np.fill_diagonal(found, 0.0)
        assert np.abs(found).max() < 5


def test_a_role_has_its_own_seed():
    assert seeds.derive_seed(0, "a") == seeds.derive_seed(0, "a")
    assert len({seeds.derive_seed(s, r) for s in range(20) for r in ("a", "b", "c")}) == 60


def test_only_missing_seeds_are_filled():
    model = BaggingClassifier(DecisionTreeClassifier(random_state=5))
    seeds.fill_random_states(model, 0, "estimator")
    assert model.estimator.random_state == 5
    assert model.random_state == seeds.derive_seed(0, "estimator__random_state")
    again = seeds.fill_random_states(LogisticRegression(), 0, "estimator")
    assert again.random_state == model.random_state


def test_equal_parts_share_a_seed_unless_there_is_a_role():
    tree = DecisionTreeClassifier()
    alone = seeds.fill_random_states(clone(tree), 0)
    inside = seeds.fill_random_states(BaggingClassifier(clone(tree)), 0)
    assert inside.estimator.random_state == alone.random_state
    assert inside.random_state != alone.random_state
    other = seeds.fill_random_states(BaggingClassifier(clone(tree)), 0, "estimator")
    assert other.estimator.random_state != alone.random_state


def test_numpy_is_seeded_inside_and_restored_outside():
    before = np.random.get_state()[1]
    draws = []
    for _ in range(2):
        with seeds.seeded_globals(LogisticRegression(), 0):
            draws.append(np.random.rand())
    assert draws[0] == draws[1]
    assert np.array_equal(np.random.get_state()[1], before)


def test_an_int_draws_nothing():
    state = np.random.get_state()[2]
    assert seeds.draw_seed(np.int64(3)) == 3
    assert np.random.get_state()[2] == state
    rng = np.random.RandomState(0)
    assert seeds.draw_seed(rng) != seeds.draw_seed(rng)


def test_torch_is_seeded_inside_and_restored_outside():
    torch = pytest.importorskip("torch")
    from skorch import NeuralNetClassifier

    net = NeuralNetClassifier(torch.nn.Linear)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    draws = []
    for _ in range(2):
        with seeds.seeded_globals(net, 0):
            draws.append(torch.rand(3).tolist())
    assert draws[0] == draws[1]
    assert torch.equal(torch.random.get_rng_state(), before)
    with seeds.seeded_globals(net, None), seeds.seeded_globals(LogisticRegression(), 0):
        torch.rand(1)
    assert not torch.equal(torch.random.get_rng_state(), before)


def test_threads_are_limited_and_given_back():
    def n_threads():
        return [pool["num_threads"] for pool in threadpool_info()]

    with threadpool_limits(2):
        before = n_threads()
        with seeds.limited_threads(1):
            assert set(n_threads()) == {1}
        assert n_threads() == before
