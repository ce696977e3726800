"""How skorch nets are pruned."""

import warnings
from dataclasses import replace

import numpy as np
from sklearn.base import clone, is_classifier

from sklearn_prune._meta import clone_seeded
from sklearn_prune._seeds import seeded_globals
from sklearn_prune._sklearn_compat import InvalidParameterError, count_rows
from sklearn_prune.models.nets.family import OF_UNITS, UNIT_CRITERIA, NetFamily
from sklearn_prune.models.nets.units import MaskedNet
from sklearn_prune.predictors import (
    CompactModule,
    CompactNetClassifier,
    CompactNetRegressor,
    copy_attributes,
)
from sklearn_prune.weight_pruning import Accepted

_BATCH = 32  # rows whose gradients are held at a time


class TorchFamily(NetFamily):
    """Nets of torch modules under skorch, whose training loop stays in use.

    A module expects all columns: features go as inputs do, by weights that are zero.
    """

    recurses = True
    criteria = {**NetFamily.criteria, "feature": UNIT_CRITERIA}
    offers = {**NetFamily.offers, "feature": OF_UNITS}

    def accepts(self, model):
        return Accepted(self)

    def start(self, model, context):
        from sklearn_prune.models.nets.torch_graph import NotFollowed, follow
        from sklearn_prune.models.nets.torch_training import values_of

        graph, reason = None, None
        try:
            graph = follow(model.module_, _first_rows(model, context))
        except NotFollowed as error:
            reason = str(error)
        values = values_of(model.module_)
        if graph is not None:
            values |= _missing_norms(graph, values)
        n_epochs = len(getattr(model, "history", ()))
        return MaskedNet(model, graph, values, n_epochs=n_epochs, reason=reason)

    def as_fitted(self, model):
        from sklearn_prune.models.nets.torch_training import values_of

        return _whole_module(model, values_of(model.module_), {})

    def unit_for(self, work, unit, context):
        _refuse_computed_weights(work.model)
        if work.graph is None and unit not in ("auto", "weight"):
            warnings.warn(
                f"Single weights are pruned instead of {unit}s, since the module of "
                f"{type(work.model).__name__} cannot be followed: {work.reason}.",
                UserWarning,
                stacklevel=6,
            )
            return "weight"
        return unit

    def reduce(self, work, shares, request, context):
        _refuse_computed_weights(work.model)
        return super().reduce(work, shares, request, context)

    def untrained(self, model, context):
        """The model as training begins, callbacks that load parameters included."""
        with seeded_globals(model, context.seed):
            model.initialize()
            model.check_data(context.X, context.y)
            model.notify("on_train_begin", X=context.X, y=context.y)
        return model

    def initial(self, work, context):
        from sklearn_prune.models.nets.torch_training import values_of

        net = clone_seeded(context.estimator, context.seed, "estimator")
        values = work.values | values_of(self.untrained(net, context).module_)
        return replace(work, values=values, masks={}, n_epochs=0)

    def train(self, work, context, *, cuts=(), teacher=None, distill=0.0, shrink=None):
        from sklearn_prune.models.nets.torch_training import (
            MaskedTraining,
            distil,
            values_of,
        )

        net = clone(context.template)
        with seeded_globals(net, context.role_seed("train-net")):
            net.initialize()
            if teacher is not None:
                distil(net, _net_with(teacher, context), distill)
            training = MaskedTraining(work, cuts, shrink, context.dropout).initialize()
            net.callbacks_.append(("masked_training", training))
            try:
                net.partial_fit(context.X, context.y, **context.fit_params)
                if (
                    training.n_cuts_ < len(cuts) and not training.interrupted_
                ):  # stopped before its time
                    training.cut(net)
                    values = training.work.values | values_of(net.module_)
                    training.work = replace(training.work, values=values)
                    net.partial_fit(context.X, context.y, **context.fit_params)
                if training.interrupted_:  # skorch itself goes on as if all was done
                    raise KeyboardInterrupt
            finally:
                for hook in training.hooks_:
                    hook.remove()
        values = work.values | values_of(net.module_)
        done = replace(work, values=values, n_epochs=work.n_epochs + len(net.history))
        return done.masked(training.work.masks)

    def rows_of(self, work, context):
        batches = _batches(work.model, context)
        return np.concatenate([inputs.cpu().numpy() for inputs, _ in batches])

    def row_gradients(self, work, context):
        net = _net_with(work, context)
        for inputs, targets in _batches(net, context):
            if not hasattr(inputs, "to"):
                raise InvalidParameterError(
                    "The criterion needs gradients of rows in one tensor. Got a "
                    f"{type(inputs).__name__} of inputs. Write MagnitudeCriterion()."
                )
            for start in range(0, len(inputs), _BATCH):
                part = slice(start, start + _BATCH)
                yield gradients_of(net, inputs[part], targets[part])

    def is_parameter(self, work, name):
        return name in dict(work.model.module_.named_parameters())

    def n_iter(self, work):
        return work.n_epochs

    def compact(self, work):
        net = work.model
        names = getattr(net, "feature_names_in_", None)
        output = _output_of(net)
        if work.graph is None or _reads_by_its_own(net) or not _is_plain(work, output):
            return _whole_module(net, work.values, work.masks)
        facts = {"flat_": False}
        kind = CompactNetRegressor
        if _is_classifier(net):
            kind = CompactNetClassifier
            facts = {"classes_": np.array(net.classes_), "output_": output}
            if hasattr(net, "threshold"):
                facts["threshold_"] = float(net.threshold)
        values = self.plain_values(work)
        return kind.of(work.graph, values, _width(net), names=names, **facts)

    def plain_values(self, work):
        """The values with factors and offsets in place of the facts of batch norms."""
        values = dict(work.values)
        for operation in work.graph.operations if work.graph else ():
            if operation.kind == "scale":
                prefix = operation.weight.removesuffix("weight")
                norm = work.model.module_.get_submodule(prefix[:-1])
                spread = np.sqrt(values[f"{prefix}running_var"] + norm.eps)
                factor = values[operation.weight] / spread
                values[operation.weight] = factor
                offset = values[operation.bias] - values[f"{prefix}running_mean"] * factor
                values[operation.bias] = offset
        return values

    def restore(self, compact, template):
        from sklearn_prune.models.nets.torch_training import KeepZeros, load_values

        is_whole = isinstance(compact, CompactModule)
        values = compact.values() if is_whole else compact.full_values()
        masks = {
            name: value != 0
            for name, value in values.items()
            if value.ndim > 1 and not value.all()
        }
        callbacks = list(template.callbacks or [])
        template.set_params(callbacks=[*callbacks, ("keep_zeros", KeepZeros(masks))])
        with seeded_globals(template, 0):
            template.initialize()
        if not is_whole:
            values |= _unit_norms(template.module_, values)
        try:
            load_values(template.module_, values)
        except InvalidParameterError as error:
            raise AttributeError(str(error)) from error
        if hasattr(compact, "classes_"):
            template.classes_inferred_ = np.array(compact.classes_)
        return copy_attributes(compact, template, "n_features_in_", "feature_names_in_")


def gradients_of(net, inputs, targets):
    """Gradient of each row's loss by parameter name, of shape (n_rows, ...).

    The net is initialized, and in evaluation mode. All gradients are held at once.
    """
    import torch
    from torch.func import functional_call, grad, vmap

    module, device = net.module_, net.device
    parameters = {name: part.detach() for name, part in module.named_parameters()}
    buffers = dict(module.named_buffers())
    binary = hasattr(net, "threshold")

    def loss_of(parameters, row, target):
        output = functional_call(module, (parameters, buffers), (row[None],))
        output = output[0] if isinstance(output, tuple) else output
        return net.get_loss(output.reshape(-1) if binary else output, target[None])

    inputs, targets = inputs.to(device), targets.to(device)
    try:
        found = vmap(grad(loss_of), in_dims=(None, 0, 0))(parameters, inputs, targets)
    except (RuntimeError, ValueError):  # an operation that vmap does not know
        try:
            rows = [
                grad(loss_of)(parameters, row, target)
                for row, target in zip(inputs, targets, strict=True)
            ]
        except (RuntimeError, ValueError) as error:
            raise InvalidParameterError(
                "The criterion needs the gradient of each row, from a module that takes "
                f"one row. Got {type(module).__name__}, with which torch says: "
                f"{str(error).splitlines()[0]}. Write MagnitudeCriterion()."
            ) from error
        found = {name: torch.stack([row[name] for row in rows]) for name in parameters}
    return {name: gradient.cpu().numpy() for name, gradient in found.items()}


def _batches(net, context):
    """Yield inputs and targets as the training of a net meets them, in their order."""
    from skorch.dataset import unpack_data

    dataset = net.get_dataset(context.X, context.y)
    with seeded_globals(net, 0):  # a DataLoader draws a seed when it starts
        batches = iter(net.get_iterator(dataset, training=False))
    for batch in batches:
        inputs, targets = unpack_data(batch)
        yield inputs, targets


def _first_rows(net, context):
    """Some rows as a tensor on the device of a net."""
    from sklearn_prune.models.nets.torch_graph import NotFollowed

    rows = np.arange(min(3, count_rows(context.X)))
    inputs, _ = next(_batches(net, context.on(rows)))
    if not hasattr(inputs, "to"):
        raise NotFollowed("its rows are no single tensor")
    return inputs.to(net.device)


def _net_with(work, context):
    """An initialized net with the parameters of a working form, to be asked."""
    from sklearn_prune.models.nets.torch_training import load_values

    net = clone(context.template)
    with seeded_globals(net, 0):
        net.initialize()
    load_values(net.module_, work.values)
    net.module_.eval()
    return net


def _refuse_computed_weights(net, what="pruned"):
    """Raise if weights of a net are no parameters but computed from others."""
    from sklearn_prune.models.nets.torch_graph import computed_weight

    found = computed_weight(net.module_)
    if found is None:
        return
    name, call = found
    raise InvalidParameterError(
        f"A net is {what} by its weights, which must be parameters. Got {name}, which is "
        f"computed from others. Fit the net, call {call}, and pass FrozenEstimator(net). "
        "Write refit=False if the constructor of the module computes it again."
    )


def _whole_module(net, values, masks):
    """The module with packed values; weights by parametrizations cannot be copied."""
    try:
        return CompactModule.of(net, values, masks)
    except (RuntimeError, TypeError):
        _refuse_computed_weights(net, "stored")
        raise


def _missing_norms(graph, values):
    """Factor 1 and offset 0 of batch norms that learn none."""
    missing = {}
    for operation in graph.operations:
        if operation.kind == "scale" and operation.weight not in values:
            prefix = operation.weight.removesuffix("weight")
            missing[operation.weight] = np.ones_like(values[f"{prefix}running_var"])
            missing[operation.bias] = np.zeros_like(values[f"{prefix}running_var"])
    return missing


def _unit_norms(module, values):
    """Facts of batch norms under which they do what their factor and offset say."""
    facts = {}
    for name, part in module.named_modules():
        # A norm that the graph does not have is not called.
        if not hasattr(part, "running_var") or f"{name}.weight" not in values:
            continue
        factor, offset = values[f"{name}.weight"], values[f"{name}.bias"]
        if part.affine:
            facts[f"{name}.running_var"] = np.full_like(factor, 1 - part.eps)
            facts[f"{name}.running_mean"] = np.zeros_like(factor)
        else:
            factor = np.where(factor == 0, 1, factor)
            facts[f"{name}.running_var"] = 1 / factor**2 - part.eps
            facts[f"{name}.running_mean"] = -offset / factor
    return facts


def _output_of(net):
    """What makes probabilities of the scores of a net; None where only skorch knows."""
    from torch import nn

    given = net.predict_nonlinearity
    if given is None:
        return "identity"
    if given != "auto":
        return None
    if isinstance(net.criterion_, nn.CrossEntropyLoss):
        return "softmax"
    if isinstance(net.criterion_, nn.BCEWithLogitsLoss):
        return "sigmoid"
    return "identity"


def _is_plain(work, output):
    """Whether `CompactNet*` makes the right predictions of the scores.

    skorch also takes the loss of classes for regressors, and of labels, one in a column.
    """
    if output in (None, "identity") or not _is_classifier(work.model):
        return output == "identity"
    last = [part for part in work.graph.operations if part.kind in ("dense", "conv")]
    several = not last or len(work.values[last[-1].weight]) > 1
    return output == "softmax" or not several


def _reads_by_its_own(net):
    """Whether a Dataset of the user makes something else of the rows, in predict too."""
    from skorch.dataset import Dataset

    return net.dataset is not Dataset


def _is_classifier(net):
    return hasattr(net, "classes_") and is_classifier(net)


def _width(net):
    """Number of columns of the rows, None where they have more dimensions."""
    return getattr(net, "n_features_in_", None)
