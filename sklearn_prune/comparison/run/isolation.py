"""What keeps one fit from depending on others: seeds and threads."""

import sys
from contextlib import contextmanager

from sklearn.base import clone

from sklearn_prune._seeds import fill_random_states, limited_threads


def seeded(estimator, seed):
    """A clone in which each `random_state` that is None has a seed of its own."""
    copy = fill_random_states(clone(estimator), seed)
    threads = dict.fromkeys(_free_threads(copy), 1)
    return copy.set_params(**threads) if threads else copy


_FREE_THREADS = ("lightgbm", "xgboost")  # which take all processors by default


def _free_threads(estimator):
    """Names of the nested `n_jobs` by which None means all processors."""
    if not set(_FREE_THREADS) & set(sys.modules):
        return []
    params = estimator.get_params(deep=True)
    return [
        name
        for name, value in params.items()
        if value is None
        and name.rpartition("__")[2] == "n_jobs"
        and type(params.get(name.rpartition("__")[0], estimator)).__module__.startswith(
            _FREE_THREADS
        )
    ]


@contextmanager
def one_thread():
    """Hold BLAS, OpenMP and torch to one thread, so that none of them changes a result.

    The generator of torch, which even predictions of a net draw from, is left as it was.
    """
    torch = sys.modules.get("torch")
    with limited_threads(1):
        if torch is None:
            yield
            return
        n_threads, state = torch.get_num_threads(), torch.random.get_rng_state()
        try:
            torch.set_num_threads(1)
            yield
        finally:
            torch.set_num_threads(n_threads)
            torch.random.set_rng_state(state)
