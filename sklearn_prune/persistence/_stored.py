"""What a file holds of a fitted model: its compact form, without training state."""

from copy import copy

import numpy as np
from scipy.interpolate import BSpline
from sklearn.base import (
    BaseEstimator,
    is_classifier,
)
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted

from sklearn_prune import SampleSubsetTransformer
from sklearn_prune._lazy import import_or_raise
from sklearn_prune._sklearn_compat import columns_read
from sklearn_prune.predictors import (
    ColumnSelector,
    Compact,
    CompactModule,
    Estimator,
    LoadError,
    emptied,
)
from sklearn_prune.weight_pruning import (
    GENERATORS,
    fitted_form,
    kept_whole,
    sentence_of,
)

_SETTINGS = ("batch_size", "threshold")
_NETS = (
    "skorch.classifier.NeuralNetClassifier",
    "skorch.classifier.NeuralNetBinaryClassifier",
    "skorch.regressor.NeuralNetRegressor",
)


class StoredPart:
    """What a file holds in the place of an object of another library."""

    def _file_state(self, mapped=False):
        return vars(self)

    def _set_file_state(self, state):
        vars(self).update(state)


class StoredSpline(StoredPart):
    """A piecewise polynomial of scipy, by its numbers."""

    @classmethod
    def of(cls, spline):
        stored = cls()
        stored.knots, stored.coefficients = np.asarray(spline.t), np.asarray(spline.c)
        stored.degree, stored.extrapolate = int(spline.k), spline.extrapolate
        return stored

    def restored(self, options):
        return BSpline(self.knots, self.coefficients, self.degree, self.extrapolate)


class StoredModule(StoredPart):
    """A skorch net: names of its classes, parameters of its module, weights as arrays.

    `loss` names a loss of torch for which skorch makes the same probabilities of the
    outputs. `settings` are parameters of the net, `facts` attributes of the predictor,
    `packed` its `packed_`.
    """

    @classmethod
    def of(cls, compact):
        """From the compact form of a net; TypeError names parts that no file can hold."""
        net = compact.net_
        stored = cls()
        stored.net, stored.module = name_of(type(net)), name_of(type(net.module_))
        if stored.net not in _NETS:
            raise TypeError(
                f"save takes nets of the classes {', '.join(_NETS)}. Got {stored.net}, "
                "a class of your own. Use joblib, or one of these classes."
            )
        if not isinstance(net.module, type):
            raise TypeError(
                "save takes nets whose module is a class, of which load makes a new one. "
                f"Got an object of the class {stored.module}. Write module="
                f"{stored.module.rpartition('.')[2]} and module__... in its place, or "
                "save PrunedClassifier(FrozenEstimator(net), keep=1.0).fit(X, y), which "
                "needs no torch."
            )
        stored.params = {
            name.removeprefix("module__"): value
            for name, value in net.get_params(deep=False).items()
            if name.startswith("module__")
        }
        for name, value in stored.params.items():
            if not _is_plain(value):
                raise TypeError(
                    "save takes modules whose parameters are numbers, texts, None or lists "
                    f"of these. Got module__{name}={value!r}. Make it inside "
                    f"{type(net.module_).__name__}."
                )
        stored.loss = _loss_of(net)
        stored.settings = {
            name: getattr(net, name)
            for name in _SETTINGS
            if _is_plain(getattr(net, name, ...))
        }
        stored.facts = {
            name: value
            for name, value in vars(compact).items()
            if name not in ("net_", "packed_")
        }
        stored.packed = {
            name: (tuple(map(int, shape)), *arrays)
            for name, (shape, *arrays) in compact.packed_.items()
        }
        return stored

    def restored(self, options):
        """The predictor, made of the class in `options.modules` by this name."""
        if self.net not in _NETS or self.loss not in _LOSSES.values():
            raise ValueError(
                "The net of a file must be one of skorch's, with a loss of torch. Got "
                f"{self.net!r} with {self.loss!r}. Write the file again by save."
            )
        plain = _is_plain({"params": self.params, "settings": self.settings})
        if not plain or not self.settings.keys() <= set(_SETTINGS):
            raise ValueError("parameters of a module must be plain values")
        for known in options.modules:
            if name_of(known) == self.module:
                break
        else:
            raise LoadError(
                f"The file holds weights of the module {self.module}, whose class must be "
                f"allowed. Got modules={list(options.modules)}. Write "
                f"load(path, modules=[{self.module.rpartition('.')[2]}])."
            )
        net, shapes = self._empty_net(known)
        if shapes != {name: part[0] for name, part in self.packed.items()}:
            raise ValueError(
                f"The weights in a file must be those of {self.module} as it is now. Got "
                f"others, and it has {shapes}. Allow the class that was saved."
            )
        compact = CompactModule()
        compact.net_, compact.packed_ = net, self.packed
        names = ("classes_", "n_features_in_", "feature_names_in_", "is_cut_")
        for name in names:
            if name in self.facts:
                setattr(compact, name, self.facts[name])
        for name, value in compact.values().items():
            if value.shape != shapes[name]:
                raise ValueError(f"The weights of {name!r} in the file are incomplete.")
        return compact

    def _empty_net(self, module):
        """The net, initialized, without its parameters, and their shapes."""
        torch = import_or_raise("torch", "load of a torch module", extra="torch")
        skorch = import_or_raise("skorch", "load of a torch module", extra="torch")
        net = getattr(skorch, self.net.rpartition(".")[2])(
            module,
            criterion=getattr(torch.nn, self.loss),
            **{f"module__{name}": value for name, value in self.params.items()},
            **self.settings,
        )
        with torch.random.fork_rng(devices=[]):
            net.initialize()
        if "classes_" in self.facts:
            net.classes_inferred_ = self.facts["classes_"]
        if self.facts.get("is_cut_"):
            net.module_ = self._cut(net.module_)
        values = net.module_.state_dict() | dict(net.module_.named_buffers())
        for name, part in values.items():
            if torch.nn.parameter.is_lazy(part):
                part.materialize(self.packed.get(name, ((),))[0])
        return emptied(net), {name: tuple(part.shape) for name, part in values.items()}

    def _cut(self, module):
        """The module in the smaller shapes of the file."""
        import torch

        from sklearn_prune.models.nets import plain_copy, resize

        module = plain_copy(module)
        tensors = dict(module.named_parameters()) | dict(module.named_buffers())
        smaller = {}
        for name, tensor in tensors.items():
            shape = self.packed.get(name, (tensor.shape,))[0]
            if len(shape) != tensor.ndim or any(
                not 0 < n <= whole for n, whole in zip(shape, tensor.shape, strict=True)
            ):
                raise ValueError(
                    f"The weights of {name!r} in a file must be a part of those that "
                    f"{self.module} has. Got the shape {shape}, and it has "
                    f"{tuple(tensor.shape)}. Allow the class that was saved."
                )
            if tuple(shape) != tuple(tensor.shape):
                smaller[name] = torch.zeros(shape, dtype=tensor.dtype)
        return resize(module, smaller)


def name_of(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


def _is_plain(value):
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(v) for key, v in value.items())
    return value is None or isinstance(value, bool | int | float | str)


# What skorch applies to the outputs of a module, and a loss of torch that has it do so.
_LOSSES = {
    "softmax": "CrossEntropyLoss",
    "_sigmoid_then_2d": "BCEWithLogitsLoss",
    "_make_2d_probs": "BCELoss",
    "_identity": "MSELoss",
}


def _loss_of(net):
    """The loss for which skorch makes of outputs what this net does."""
    applied = net.predict_nonlinearity
    name = getattr(getattr(applied, "func", applied), "__name__", repr(applied))
    if name not in _LOSSES:
        raise TypeError(
            "save takes nets whose outputs skorch makes probabilities of. Got "
            f"predict_nonlinearity={name}. Put it into the module, or use joblib."
        )
    return _LOSSES[name]


# These ask the models inside for nothing but predictions.
_ASK_FOR_PREDICTIONS = {
    "AdaBoostClassifier",
    "AdaBoostRegressor",
    "IterativeImputer",
    "RANSACRegressor",
    "StackingClassifier",
    "StackingRegressor",
    "VotingClassifier",
    "VotingRegressor",
}


def why_whole(model, compact, text=None):
    """Sentences on the models in a compact form that are kept as they were fitted.

    Only those are named whose class stands in the text, if there is one.
    """
    found = kept_whole(compact)
    found = {name: why for name, why in found.items() if text is None or name in text}
    sentences = [sentence_of(*each) for each in found.items()]
    if any(needs_rows for _, needs_rows in found.values()):
        wrapper = "PrunedClassifier" if is_classifier(model) else "PrunedRegressor"
        sentences.append(
            f"Write {wrapper}(FrozenEstimator(model), keep=1.0).fit(X, y), with the frame "
            "X of its fit, and pass that."
        )
    return " ".join(sentences)


def storable(part, *, predicts=False):
    """A copy of a compact form whose parts a file can hold.

    Selectors of columns become their columns, models that are asked for predictions only
    (`predicts`) their compact forms, generators of random numbers None. skorch nets and
    splines become stored parts, of which `load` makes them again.
    """
    if isinstance(part, CompactModule):
        return part
    if isinstance(part, BSpline):
        return StoredSpline.of(part)
    if isinstance(part, np.ndarray):
        return part if type(part) is np.ndarray else np.array(part)
    if isinstance(part, GENERATORS):
        return None
    if isinstance(part, BaseEstimator | Estimator):
        return _storable_estimator(part, predicts)
    if isinstance(part, dict):
        small = copy(part)
        for key, value in part.items():
            small[key] = storable(value, predicts=predicts)
        return small
    if isinstance(part, list | tuple):
        values = (storable(value, predicts=predicts) for value in part)
        return type(part)(*values) if hasattr(part, "_fields") else type(part)(values)
    return part


def _storable_estimator(estimator, predicts):
    if isinstance(estimator, SampleSubsetTransformer):
        return storable(getattr(estimator, "transformer_", estimator.transformer))
    if isinstance(estimator, SelectorMixin):
        estimator = ColumnSelector.of(estimator, estimator.get_support(indices=True))
    elif predicts and not isinstance(estimator, Compact):
        # One that is not fitted is what the others were cloned from.
        return storable(fitted_form(estimator)) if _is_fitted(estimator) else None
    if isinstance(estimator, ColumnTransformer):
        estimator = _with_positions(estimator)
    predicts = type(estimator).__name__ in _ASK_FOR_PREDICTIONS
    small = copy(estimator)
    for name, value in vars(estimator).items():
        if predicts and name == "estimator":
            value = None
        setattr(small, name, storable(value, predicts=predicts and name.endswith("_")))
    return small


def _with_positions(step):
    """A fitted ColumnTransformer whose selectors of columns are what they selected."""
    small, read = copy(step), columns_read(step)
    small.transformers = [
        (name, part, list(read.get(name, ())) if callable(columns) else columns)
        for name, part, columns in step.transformers
    ]
    return small


def _is_fitted(estimator):
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return False
    return True
