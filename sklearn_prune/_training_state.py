"""What fitted models keep for further training, which a pickle can do without."""

from collections import defaultdict

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import Bunch, check_random_state

_ATOMS = (str, bytes, int, float, complex, bool, type(None), type)
# What models keep for training that goes on, by a class among their bases: attributes
# that the next training makes anew, and generators that a warm start goes on with.
_MADE_ANEW = {
    "BaseMultilayerPerceptron": ("_optimizer", "_random_state"),
    "BisectingKMeans": ("_random_state",),
    "GaussianProcessRegressor": ("_rng",),
    "LRScheduler": ("lr_scheduler_",),  # of skorch; it holds the optimizer
    "MiniBatchKMeans": ("_random_state",),
    "_BinaryGaussianProcessClassifierLaplace": ("rng",),
}
_GENERATORS = {
    "BaseGradientBoosting": ("_rng",),
    "BaseHistGradientBoosting": ("_feature_subsample_rng",),
    "LatentDirichletAllocation": ("random_state_",),
    "MiniBatchDictionaryLearning": ("_random_state",),
    "NeighborhoodComponentsAnalysis": ("random_state_",),
}
# Modules of the __getstate__ that gives all attributes of a model.
_ALL_ATTRIBUTES = ("builtins", "sklearn.base", "skorch.net")


def without_training_state(model):
    """Leave out of a fitted model what only further training reads.

    This is the state of optimizers and generators of random numbers in the models of
    scikit-learn and skorch, at any depth. Left as they are: generators of a model with
    ``warm_start=True``, optimizers that are not PyTorch's own, frozen models, and the
    models of other libraries.

    Parameters
    ----------
    model : object
        A fitted model, or a container of some; it is not changed.

    Returns
    -------
    model : object
        The model itself where nothing is left out, else a copy that shares the rest.
    incomplete : list of estimators
        Parts of the copy that `renew_generators` completes.
    """
    incomplete = []
    return _trimmed(model, {}, incomplete), incomplete


def renew_generators(incomplete):
    """Give each part the generators that were left out, from its `random_state`."""
    for part in incomplete:
        for name in _by_class(_GENERATORS, part):
            generator = check_random_state(part.random_state)
            if name == "_feature_subsample_rng":
                generator = np.random.default_rng(generator.randint(2**31))
            setattr(part, name, generator)


def _trimmed(thing, done, incomplete):
    """The thing, or a copy of it where something in it is left out."""
    if isinstance(thing, (*_ATOMS, FrozenEstimator)):
        return thing
    if id(thing) in done:
        return done[id(thing)]
    done[id(thing)] = thing
    if _is_torch_optimizer(thing):
        done[id(thing)] = _copy_with(thing, vars(thing) | {"state": defaultdict(dict)})
        return done[id(thing)]
    parts, generators = _parts(thing), _by_class(_GENERATORS, thing)
    left_out = _by_class(_MADE_ANEW, thing)
    if not getattr(thing, "warm_start", False):
        left_out += generators
    left_out = parts.keys() & set(left_out)
    for name in left_out:
        if parts[name] is not parts.get("random_state"):
            done[id(parts[name])] = None  # trees of boosting have it as well
    kept = {
        name: _trimmed(part, done, incomplete)
        for name, part in parts.items()
        if name not in left_out
    }
    if left_out or any(kept[name] is not part for name, part in parts.items()):
        done[id(thing)] = _copy_with(thing, kept)
    if left_out & set(generators):
        incomplete.append(done[id(thing)])
    return done[id(thing)]


def _by_class(table, thing):
    return sum((table.get(cls.__name__, ()) for cls in type(thing).__mro__), ())


def _is_torch_optimizer(thing):
    """Whether it is an optimizer whose state may be empty before its first step."""
    cls = type(thing)
    return (
        cls.__module__.startswith("torch.optim.")
        and cls.__name__ != "Adagrad"
        and any(base.__name__ == "Optimizer" for base in cls.__mro__)
    )


def _parts(thing):
    """What may hold something that is left out, by name or position."""
    if type(thing) in (list, tuple):
        return dict(enumerate(thing))
    if type(thing) in (dict, Bunch):
        return thing
    if isinstance(thing, np.ndarray):
        return dict(enumerate(thing.flat)) if thing.dtype.kind == "O" else {}
    if hasattr(thing, "get_params") or type(thing).__name__ == "_CalibratedClassifier":
        get_state = type(thing).__getstate__
        if getattr(get_state, "__module__", "builtins") in _ALL_ATTRIBUTES:
            return vars(thing)
    return {}


def _copy_with(thing, parts):
    """A copy of a container or an object with other parts."""
    if type(thing) in (list, tuple):
        return type(thing)(parts.values())
    if type(thing) in (dict, Bunch):
        copy = type(thing)()
        copy.update(parts)
        return copy
    if isinstance(thing, np.ndarray):
        copy = thing.copy()
        for position, part in parts.items():
            copy.flat[position] = part
        return copy
    copy = object.__new__(type(thing))
    copy.__dict__.update(parts)
    return copy
