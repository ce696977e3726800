"""How skorch nets are pruned."""

import warnings
from copy import deepcopy
from dataclasses import replace

import numpy as np
from sklearn.base import clone, is_classifier

from sklearn_prune._meta import clone_seeded
from sklearn_prune._seeds import seeded_globals
from sklearn_prune._sklearn_compat import InvalidParameterError, count_rows
from sklearn_prune.models.nets.family import OF_UNITS, UNIT_CRITERIA, NetFamily
from sklearn_prune.models.nets.units import MaskedNet, mask_of, some_rows
from sklearn_prune.predictors import (
    CompactModule,
    CompactNetClassifier,
    CompactNetRegressor,
    copy_attributes,
)
from sklearn_prune.weight_pruning import Accepted, Family, GradualSchedule, UnitTable

_BATCH = 32  # rows whose gradients are held at a time
_CUT = ("neuron", "channel")  # units that are cut out of the module
_UNITS = (*_CUT, "input", "feature")


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
        from sklearn_prune.models.nets.torch_training import values_of
        from sklearn_prune.models.nets.torch_units import UnitFinder

        graph, reason = _followed(model, context)
        n_epochs = len(getattr(model, "history", ()))
        return MaskedNet(
            model,
            graph,
            values_of(model.module_) | _missing_norms(graph, model.module_),
            n_epochs=n_epochs,
            reason=reason,
            finder=UnitFinder(model, context),
        )

    def as_fitted(self, model):
        from sklearn_prune.models.nets.torch_training import values_of

        return _whole_module(model, values_of(model.module_), {})

    def unit_for(self, work, unit, context):
        if unit not in _CUT:
            _refuse_computed_weights(work.model)
        if unit in _UNITS:
            kind = _kind(unit)
            uncut = work.finder.uncut(kind)
            named = ", ".join(f"{name} ({why})" for name, why in uncut.items())
            if not len(work.finder.of_kind(kind)):
                raise _no_units(work, unit, named)
            if uncut:
                warnings.warn(
                    f"Some layers of {type(work.model.module_).__name__} keep all of their "
                    f"{unit}s, and only the others lose some: {named}.",
                    UserWarning,
                    stacklevel=6,
                )
        return unit

    def table(self, work, unit, context):
        if unit not in _UNITS:
            return super().table(work, unit, context)
        units = _units_of(work, unit)
        shapes = {
            name: value.shape
            for name, value in work.values.items()
            if self.is_parameter(work, name)
        }
        sizes = units.sizes(shapes)
        fixed = sum(map(np.prod, shapes.values())) - sizes.sum()
        codes = np.unique(units.groups, return_inverse=True)[1]
        return UnitTable(units.ids, sizes, max(0, int(fixed)), codes)

    def apply(self, work, unit, kept, context):
        """Cut units out of the module; of inputs, the weights that read them are zero."""
        if unit not in _CUT:
            return self.silence(work, unit, kept, context)
        from sklearn_prune.models.nets import torch_cut
        from sklearn_prune.models.nets.torch_training import load_values, values_of
        from sklearn_prune.models.nets.torch_units import with_module

        work, units = _prepared(work), _units_of(work, unit)
        if len(kept) == len(units):
            return work
        module = deepcopy(work.model.module_)
        load_values(module, work.values)
        finder = work.finder
        small = torch_cut.proved_cut(module, units, kept, finder.run, finder.proof_rows)
        if small is None:
            raise InvalidParameterError(
                "A net that is cut must give what it gives with the units at zero. Got "
                f"other outputs from {type(module).__name__} with {len(kept)} of "
                f"{len(units)} {unit}s. Write unit='weight'."
            )
        model = with_module(work.model, small)
        graph, reason = _followed(model, context)
        return replace(
            work,
            model=model,
            graph=graph,
            reason=reason,
            values=values_of(small) | _missing_norms(graph, small),
            masks={},
            units=units.after_cut(kept),
            entries=composed(work.entries, torch_cut.entries_left(units, kept)),
        )

    def silence(self, work, unit, kept, context):
        if unit not in _UNITS:
            return super().apply(work, unit, kept, context)
        units = _units_of(work, unit)
        left = np.append(np.isin(np.arange(len(units)), kept), True)
        masks = dict(work.masks)
        for (name, axis), own in units.slices.items():
            if unit not in _CUT and (name, axis) in units.made:
                continue  # a norm of the inputs
            shape = [1] * work.values[name].ndim
            shape[axis] = -1
            masks[name] = mask_of(work, name, masks) & left[own].reshape(shape)
        return replace(work.masked(masks), units=units.take(kept))

    def finished(self, work, start, unit, context):
        if unit not in _CUT:
            return work
        units = _units_of(start, unit)
        kept = np.flatnonzero(np.isin(units.ids, work.units.ids))
        whole = replace(work, units=units, masks=start.masks)
        return self.apply(whole, unit, kept, context)

    def refit(self, work, unit, context):
        if work.entries:
            from sklearn_prune.models.nets.torch_training import values_of
            from sklearn_prune.models.nets.torch_units import with_new_statistics

            net = with_new_statistics(_net_with(work, context), context)
            work = replace(work, values=work.values | values_of(net.module_))
        return super().refit(work, unit, context)

    def layers_left(self, work, unit, context):
        if unit not in _UNITS:
            return super().layers_left(work, unit, context)
        before = np.bincount(work.finder.of_kind(_kind(unit)).groups)
        after = np.bincount(_units_of(work, unit).groups, minlength=len(before))
        return after[after < before]

    def reduce(self, work, shares, request, context):
        if request.unit not in _CUT:
            _refuse_computed_weights(work.model)
            return super().reduce(work, shares, request, context)
        work = _prepared(work)
        gradual = isinstance(request.schedule, GradualSchedule)
        if gradual and _depends_on_width(work.model.module_):
            # Zeros are no cut for it while training: it is cut in rounds.
            if not context.is_frozen:
                work = self.train(self.initial(work, context), context)
            work = replace(work, teacher=work)
            smaller = Family.reduce(self, work, shares, request, context)
            return [replace(left, teacher=None) for left in smaller]
        return super().reduce(work, shares, request, context)

    def untrained(self, model, context):
        """The model as training begins, callbacks that load parameters included."""
        with seeded_globals(model, context.seed):
            model.initialize()
            model.check_data(context.X, context.y)
            model.notify("on_train_begin", X=context.X, y=context.y)
        return model

    def initial(self, work, context):
        from sklearn_prune.models.nets.torch_parts import plain_copy
        from sklearn_prune.models.nets.torch_training import values_of

        net = clone_seeded(context.estimator, context.seed, "estimator")
        module = self.untrained(net, context).module_
        if work.entries is not None:
            module = plain_copy(module)
        values = work.values | taken(values_of(module), work.entries)
        return replace(work, values=values, masks={}, n_epochs=0)

    def train(self, work, context, *, cuts=(), teacher=None, distill=0.0, shrink=None):
        from sklearn_prune.models.nets.torch_training import (
            MaskedTraining,
            distil,
            values_of,
        )

        net = _new_net(work, context)
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
        done = training.work
        values = done.values | values_of(net.module_)
        n_epochs = work.n_epochs + len(net.history)
        return replace(done, values=values, n_epochs=n_epochs).masked(done.masks)

    def weights(self, work, unit, context):
        if unit not in _UNITS:
            return super().weights(work, unit, context)
        from sklearn_prune.models.nets import torch_units

        units = _units_of(work, unit)
        found = torch_units.weights_of_units(work.values, units)
        if unit in _CUT:
            return found
        net = _net_with(work, context)
        spreads = torch_units.spreads_of_columns(net, units, some_rows(context))
        return found * np.sqrt(spreads)[:, None]

    def activations(self, work, unit, context):
        from sklearn_prune.models.nets.torch_units import activations_of_units

        units, net = _units_of(work, unit), _net_with(work, context)
        return activations_of_units(net, work.values, units, some_rows(context))

    def gradient_effects(self, work, unit, context):
        if unit not in _UNITS:
            return super().gradient_effects(work, unit, context)
        return np.sqrt(self._effects(work, unit, context, 1))

    def removal_losses(self, work, unit, context):
        if unit not in _UNITS:
            return super().removal_losses(work, unit, context)
        return self._effects(work, unit, context, 2) / 2

    def _effects(self, work, unit, context, power):
        from sklearn_prune.models.nets.torch_units import effects_of_units

        units, net = _units_of(work, unit), _net_with(work, context)
        return effects_of_units(net, units, some_rows(context), power=power)

    def axes_of_units(self, work, unit, context):
        units = _units_of(work, unit)
        own = [key for key in units.slices if (key in units.made) == (unit in _CUT)]
        return {name: axis for name, axis in own if work.values[name].ndim > 1}

    def inputs_of(self, work, context):
        from sklearn_prune.models.nets.torch_units import batches

        found = batches(work.model, context)
        return np.concatenate([inputs.cpu().numpy() for inputs, _ in found])

    def row_gradients(self, work, context):
        from sklearn_prune.models.nets.torch_units import batches

        net = _net_with(work, context)
        for inputs, targets in batches(net, context):
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
            compact = _whole_module(net, work.values, work.masks)
            compact.is_cut_ = work.entries is not None
            return compact
        facts = {"flat_": False}
        kind = CompactNetRegressor
        if _is_classifier(net):
            kind = CompactNetClassifier
            facts = {"classes_": np.array(net.classes_), "output_": output}
            if hasattr(net, "threshold"):
                facts["threshold_"] = float(net.threshold)
        values = self.plain_values(work)
        compact = kind.of(work.graph, values, _width(net), names=names, **facts)
        compact.training_ = {"entries": work.entries, "norms": _norms_of(work)}
        return compact

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

    def resumed(self, compact, model, context):
        work = super().resumed(compact, model, context)
        if not _is_cut(compact):
            return work
        entries = {}
        if not isinstance(compact, CompactModule):
            entries = compact.training_["entries"]
        return replace(work, entries=entries)

    def restore(self, compact, template):
        from sklearn_prune.models.nets.torch_cut import sliced
        from sklearn_prune.models.nets.torch_parts import plain_copy
        from sklearn_prune.models.nets.torch_training import KeepZeros, load_values
        from sklearn_prune.models.nets.torch_units import around

        is_whole = isinstance(compact, CompactModule)
        values = compact.values() if is_whole else compact.full_values()
        masks = {
            name: value != 0
            for name, value in values.items()
            if value.ndim > 1 and not value.all()
        }
        if masks or not _is_cut(compact):
            callbacks = list(template.callbacks or [])
            template.set_params(callbacks=[*callbacks, ("keep_zeros", KeepZeros(masks))])
        with seeded_globals(template, 0):
            if not (is_whole and _is_cut(compact)):
                template.initialize()
            if _is_cut(compact):
                if is_whole:
                    module = compact._net().module_
                else:
                    module = plain_copy(template.module_)
                    module = sliced(module, compact.training_["entries"])
                template = around(template, module).initialize()
        if not is_whole:
            values |= _unfolded(template.module_, values, compact.training_["norms"])
        try:
            load_values(template.module_, values)
        except InvalidParameterError as error:
            raise AttributeError(str(error)) from error
        if hasattr(compact, "classes_"):
            template.classes_inferred_ = np.array(compact.classes_)
        return copy_attributes(compact, template, "n_features_in_", "feature_names_in_")


def _is_cut(compact):
    """Whether the constructor of the module makes other shapes than a predictor has."""
    if isinstance(compact, CompactModule):
        return compact.is_cut_
    return compact.training_["entries"] is not None


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


def _followed(model, context):
    """The graph of the module of a net, or None and why it cannot be followed."""
    from sklearn_prune.models.nets.torch_graph import NotFollowed, follow
    from sklearn_prune.models.nets.torch_units import batches

    rows = np.arange(min(3, count_rows(context.X)))
    inputs, _ = next(batches(model, context.on(rows)))
    if not hasattr(inputs, "to"):
        return None, "its rows are no single tensor"
    try:
        return follow(model.module_, inputs.to(model.device)), None
    except NotFollowed as error:
        return None, str(error)


def _kind(unit):
    return "input" if unit == "feature" else unit


def _units_of(work, unit):
    """The units of a working form: what is left of those that were found."""
    return work.finder.of_kind(_kind(unit)) if work.units is None else work.units


def _prepared(work):
    """The working form whose module can be cut: its weights are parameters."""
    if work.entries is not None:
        return work
    from sklearn_prune.models.nets.torch_training import values_of
    from sklearn_prune.models.nets.torch_units import with_module

    module = work.finder.module
    own = values_of(module)
    return replace(
        work,
        model=with_module(work.model, module),
        values=own | {name: work.values[name] for name in own if name in work.values},
        masks={name: mask for name, mask in work.masks.items() if name in own},
        entries={},
    )


def composed(entries, after):
    """Entries that are left of parameters of which some were left before."""
    found = {name: dict(by_axis) for name, by_axis in entries.items()}
    for name, by_axis in after.items():
        for axis, own in by_axis.items():
            before = found.setdefault(name, {}).get(axis)
            found[name][axis] = own if before is None else before[own]
    return found


def taken(values, entries):
    """Arrays by name with the entries that are left."""
    values = dict(values)
    for name, by_axis in (entries or {}).items():
        for axis, own in by_axis.items():
            values[name] = values[name].take(own, axis)
    return values


def _depends_on_width(module):
    """Whether a layer takes mean and spread over units: zeros count there."""
    from torch import nn

    return any(isinstance(part, nn.LayerNorm) for part in module.modules())


def _no_units(work, unit, named):
    """The error for a net without units of a kind that can go."""
    name = type(work.model.module_).__name__
    if not named:
        there = [kind for kind in ("neuron", "channel") if len(work.finder.of_kind(kind))]
        there = ["weight", *([] if unit in ("input", "feature") else ["input"]), *there]
        others = " or ".join(map(repr, there))
        return InvalidParameterError(
            f"unit={unit!r} needs layers whose {unit}s can go. Got {name} without any. "
            f"Write unit={others}."
        )
    return InvalidParameterError(
        f"unit={unit!r} needs layers whose {unit}s can be cut out. Got {name}, in which "
        f"all stay: {named}. Write unit='weight'."
    )


def _new_net(work, context):
    """An unfitted net whose module has the shapes of a working form."""
    from sklearn_prune.models.nets.torch_units import around

    net = clone(context.template)
    return net if work.entries is None else around(net, deepcopy(work.model.module_))


def _net_with(work, context):
    """An initialized net with the parameters of a working form, to be asked."""
    from sklearn_prune.models.nets.torch_training import load_values

    net = _new_net(work, context)
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


def _missing_norms(graph, module):
    """Factor 1 and offset 0 of batch norms that learn none."""
    missing = {}
    for operation in graph.operations if graph else ():
        if operation.kind != "scale":
            continue
        prefix = operation.weight.removesuffix("weight")
        norm = module.get_submodule(prefix[:-1])
        if norm.weight is None:
            missing[operation.weight] = np.ones(len(norm.running_var), np.float32)
            missing[operation.bias] = np.zeros(len(norm.running_var), np.float32)
    return missing


def _norms_of(work):
    """Factors and offsets of the batch norms of a net as they are trained, by name."""
    return {
        operation.weight.removesuffix(".weight"): (
            work.values[operation.weight],
            work.values[operation.bias],
        )
        for operation in work.graph.operations
        if operation.kind == "scale"
    }


def _unfolded(module, values, norms):
    """Facts of batch norms with their own factors, of values that contain what they do."""
    facts = {}
    for name, part in module.named_modules():
        # A norm that the graph does not have is not called.
        if not hasattr(part, "running_var") or f"{name}.weight" not in values:
            continue
        does, adds = values[f"{name}.weight"], values[f"{name}.bias"]
        factor, offset = norms[name]
        gone = does == 0
        does = np.where(gone, 1, does)
        factor = np.where(does * factor < 0, -factor, factor)
        if part.affine:
            # The variance is positive: a smaller factor takes that of the values.
            small = abs(factor) < abs(does) * np.sqrt(part.eps)
            factor = np.where(gone | small, does, factor)
        facts[f"{name}.running_var"] = np.maximum((factor / does) ** 2 - part.eps, 0)
        facts[f"{name}.running_mean"] = np.where(gone, 0, (offset - adds) / does)
        if part.affine:
            facts[f"{name}.weight"] = np.where(gone, 0, factor)
            facts[f"{name}.bias"] = np.where(gone, adds, offset)
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
