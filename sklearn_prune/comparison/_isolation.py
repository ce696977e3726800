"""What keeps one fit from depending on others: seeds, generators and threads."""

import sys
import threading
from collections import Counter
from contextlib import contextmanager, nullcontext
from functools import cache

import numpy as np
from sklearn.base import clone
from sklearn.callback import CallbackSupportMixin
from sklearn.frozen import FrozenEstimator
from threadpoolctl import ThreadpoolController

from sklearn_prune._meta import has_tags
from sklearn_prune._seeds import derive_seed


def free_seeds(estimator):
    """Names of the nested `random_state` that are None, by a role for each.

    The role is the class that has it and its number among those of this class, so that
    the same model has the same seed in whatever it is wrapped.
    """
    params = estimator.get_params(deep=True)
    roles, seen = {}, Counter()
    for name in sorted(params):
        owner_name, _, parameter = name.rpartition("__")
        owner = params.get(owner_name) if owner_name else estimator
        if parameter != "random_state" or not has_tags(owner):
            continue
        kind = type(owner).__name__
        if params[name] is None:
            roles[name] = f"{kind} {seen[kind]}"
        seen[kind] += 1
    return roles


def seeded(estimator, seed):
    """A clone in which each `random_state` that is None has a seed of its own."""
    copy = clone(estimator)
    seeds = {name: derive_seed(seed, role) for name, role in free_seeds(copy).items()}
    changes = seeds | dict.fromkeys(_free_threads(copy), 1)
    return copy.set_params(**changes) if changes else copy


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
def seeded_numpy(seed):
    """Seed numpy's global generator, for models that draw from it, and restore it.

    Threads share it, so it is left alone in all but the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(derive_seed(seed, "numpy"))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002


@contextmanager
def one_thread():
    """Hold BLAS, OpenMP and torch to one thread, so that none of them changes a result.

    The generator of torch, which even predictions of a net draw from, is left as it was.
    """
    torch = sys.modules.get("torch")
    with _controller(len(sys.modules)).limit(limits=1):
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


@cache
def _controller(n_modules):
    """Thread pools of the loaded libraries, looked up again when there are more."""
    return ThreadpoolController()


@contextmanager
def reported(context, model, X, y):
    """Tell callbacks of a fit, and hand them on to a model that takes them."""
    if context is None:
        yield
        return
    context, owner = context
    takes = isinstance(model, CallbackSupportMixin) and not isinstance(
        model, FrozenEstimator
    )
    with context.propagate_callback_context(model) if takes else nullcontext():
        context.call_on_fit_task_begin(estimator=owner, X=X, y=y)
        try:
            yield
        finally:
            context.call_on_fit_task_end(estimator=owner, X=X, y=y)
