"""What fixes a result: keys of rows, seeds of nested estimators and torch, threads."""

import sys
import threading
import zlib
from collections import Counter
from contextlib import contextmanager
from functools import lru_cache
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state
from threadpoolctl import ThreadpoolController


def draw_seed(random_state):
    """Return an int seed itself, or draw one; None draws from numpy's global generator."""
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def derive_seed(seed, role):
    """Derive from `seed` the seed for one role, whatever other roles there are."""
    sequence = np.random.SeedSequence((seed, zlib.crc32(role.encode())))
    return int(sequence.generate_state(1)[0])


def row_keys(seed, n_rows, start=0):
    """Give each row a uniform number in [0, 1) that depends on seed and position only.

    The bits are ``mix64(mix64(position * G) ^ seed64)`` with the finalizer of SplitMix64
    [1]_ as mix64, so that a database can compute the same keys. They are multiples of
    2**-53, equal on every platform and version of numpy. `start` is the position of the
    first row.

    References
    ----------
    .. [1] Steele, Lea, Flood (2014). Fast splittable pseudorandom number generators.
       OOPSLA.
    """
    seed64 = np.random.SeedSequence(seed).generate_state(1, np.uint64)
    positions = np.arange(start, start + n_rows, dtype=np.uint64)
    keys = _mix64(_mix64(positions * np.uint64(0x9E3779B97F4A7C15)) ^ seed64)
    return (keys >> np.uint64(11)) * 2.0**-53


def _mix64(x):
    """The finalizer of SplitMix64 of each uint64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def free_seeds(estimator):
    """Names of the nested `random_state` that are None, by a role for each.

    The role is the class that has it and its number among those of this class, so that
    the same model has the same role in whatever it is wrapped.
    """
    params = estimator.get_params(deep=True)
    roles, seen = {}, Counter()
    for name in sorted(params):
        owner_name, _, parameter = name.rpartition("__")
        owner = params.get(owner_name) if owner_name else estimator
        is_estimator = hasattr(owner, "__sklearn_tags__") and not isinstance(owner, type)
        if parameter != "random_state" or not is_estimator:
            continue
        kind = type(owner).__name__
        if params[name] is None:
            roles[name] = f"{kind} {seen[kind]}"
        seen[kind] += 1
    return roles


def fill_random_states(estimator, seed, role=None):
    """Set each nested `random_state` that is None to a seed of its own, in place.

    With a role, a seed depends on it and on the name of the parameter. Without, it depends
    on the class, as `free_seeds` says, so that variants that are compared share the seeds
    of their equal parts.
    """
    roles = free_seeds(estimator)
    if role is not None:
        roles = {name: f"{role}__{name}" for name in roles}
    seeds = {name: derive_seed(seed, own) for name, own in roles.items()}
    return estimator.set_params(**seeds) if seeds else estimator


def is_torch_model(estimator):
    """Whether a skorch net is somewhere inside."""
    return "skorch" in sys.modules and any(
        ancestor.__module__.partition(".")[0] == "skorch"
        for part in (estimator, *estimator.get_params(deep=True).values())
        for ancestor in type(part).__mro__
    )


@contextmanager
def seeded_globals(estimator, seed):
    """Seed numpy's global generator and, for a torch model, torch; restore both afterwards.

    Threads share numpy's generator, so it is left alone in all but the main one. Nothing
    happens where `seed` is None.
    """
    if seed is None:
        yield
        return
    alone = threading.current_thread() is threading.main_thread()
    state = np.random.get_state() if alone else None  # noqa: NPY002
    try:
        if alone:
            np.random.seed(derive_seed(seed, "numpy"))  # noqa: NPY002
        if not is_torch_model(estimator):
            yield
            return
        torch = sys.modules["torch"]
        devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(derive_seed(seed, "torch"))
            yield
    finally:
        if alone:
            np.random.set_state(state)  # noqa: NPY002


def limited_threads(n_threads):
    """Context in which BLAS and OpenMP use at most so many threads."""
    return _thread_pools(len(sys.modules)).limit(limits=n_threads)


@lru_cache(maxsize=1)
def _thread_pools(n_modules):
    """The thread pools of the loaded libraries, looked up again when there are more."""
    return ThreadpoolController()
