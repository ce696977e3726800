"""Train a skorch net with masks: callbacks that hold zeros and cut, and distillation."""

from dataclasses import replace

import numpy as np
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.nn import functional
from torch.nn.parameter import is_lazy

from sklearn_prune._sklearn_compat import InvalidParameterError

_TEMPERATURE = 2.0
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


class KeepZeros(Callback):
    """Set what is pruned back to zero after each update.

    Parameters
    ----------
    masks : dict of str -> ndarray of bool
        For each parameter by name, what is left.
    """

    def __init__(self, masks):
        self.masks = masks

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        """Multiply with the masks."""
        if training:
            apply_masks(net.module_, self.masks)


class MaskedTraining(Callback):
    """Start from given parameters, hold zeros, cut on time, drop units.

    Parameters
    ----------
    work : MaskedNet
        Where training starts.
    cuts : sequence of callable
        Evenly spread over the first 60 % of the updates.
    shrink : callable or None
        Replaces each weight after each update.
    dropout : float
        Probability with which a unit is dropped.
    """

    def __init__(self, work, cuts=(), shrink=None, dropout=0.0):
        self.work = work
        self.cuts = cuts
        self.shrink = shrink
        self.dropout = dropout

    def initialize(self):
        """Begin anew."""
        self.n_cuts_, self.n_updates_, self.total_ = 0, 0, None
        self.hooks_, self.last_, self.interrupted_ = [], None, False
        return self

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Load the parameters, after any callback of the user has set its own."""
        load_values(net.module_, self.work.values)
        self._take_masks(net)
        if self.dropout > 0:
            names = _names_of_readers(self.work, net.module_)
            self.hooks_ = [
                net.module_.get_submodule(name).register_forward_pre_hook(self._drop)
                for name in names
            ]

    def _drop(self, module, inputs):
        dropout = functional.dropout
        if isinstance(module, _CONVOLUTIONS):
            dropout = functional.dropout1d
            if isinstance(module, nn.Conv2d):
                dropout = functional.dropout2d
        return (dropout(inputs[0], self.dropout, module.training), *inputs[1:])

    def _take_masks(self, net):
        parameters = dict(net.module_.named_parameters())
        pairs = [
            (parameters[name], torch.as_tensor(mask).to(parameters[name]))
            for name, mask in self.work.masks.items()
            if name in parameters and not mask.all()  # a norm may have no factors
        ]
        self.masked_ = [parameter.data for parameter, _ in pairs]
        self.factors_ = [factor for _, factor in pairs]
        self._hold()

    def _hold(self):
        if self.masked_:
            with torch.no_grad():
                torch._foreach_mul_(self.masked_, self.factors_)

    def on_epoch_begin(self, net, dataset_train=None, **kwargs):
        """Count the updates that there will be."""
        if self.total_ is None:
            per_epoch = len(net.get_iterator(dataset_train, training=True))
            self.total_ = max(1, per_epoch * net.max_epochs)

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        """Shrink, cut where it is time, hold zeros."""
        if not training:
            return
        self.n_updates_ += 1
        if self.shrink is not None:
            weights = set(self.work.weight_names())
            with torch.no_grad():
                for name, parameter in net.module_.named_parameters():
                    if name in weights:
                        parameter.copy_(self.shrink(name, parameter, self.total_))
        due = 0
        if self.cuts:
            due = int(self.n_updates_ / (0.6 * self.total_) * len(self.cuts))
        if due > self.n_cuts_:
            self.cut(net, due)
        self._hold()

    def cut(self, net, due=None):
        """Apply the cuts up to a number, or all of them."""
        due = len(self.cuts) if due is None else min(due, len(self.cuts))
        if due <= self.n_cuts_:
            return
        work = replace(self.work, values=self.work.values | values_of(net.module_))
        # The last of several that are due says how much is left.
        self.work = self.cuts[due - 1](work)
        self.n_cuts_ = due
        self._take_masks(net)

    def on_epoch_end(self, net, **kwargs):
        """Remember the parameters, for callbacks that load others at the end."""
        if self.cuts and self.n_cuts_ == len(self.cuts):
            self.last_ = values_of(net.module_)

    def on_train_end(self, net, X=None, y=None, **kwargs):
        """Leave no hook, and no parameters from before the last cut."""
        # Early stopping ends an epoch first, an interrupt from the keyboard does not.
        epochs = net.history.to_list()
        self.interrupted_ = bool(epochs) and "train_batch_count" not in epochs[-1]
        for hook in self.hooks_:
            hook.remove()
        self.hooks_ = []
        if self.last_ is not None and self._zeros_are_back():
            load_values(net.module_, self.last_)
        self._hold()

    def _zeros_are_back(self):
        return any(
            bool((data * (1 - factor)).any())
            for data, factor in zip(self.masked_, self.factors_, strict=True)
        )


def distil(net, teacher, share):
    """Mix the outputs of a teacher into the loss of a net, for the life of the object.

    Both are initialized. `share` is that of the divergence in the loss.
    """
    own_loss = net.get_loss
    teacher.module_.eval()
    divergence = _divergence(net)

    def get_loss(y_pred, y_true, X=None, training=False):
        loss = own_loss(y_pred, y_true, X=X, training=training)
        if not training or not isinstance(y_pred, torch.Tensor):
            return loss
        with torch.no_grad():
            target = teacher.infer(X)
        return (1 - share) * loss + share * divergence(y_pred, target)

    net.get_loss = get_loss


def _divergence(net):
    """What measures how far outputs are from the teacher's, by the loss of the net."""
    criterion = net.criterion_
    if isinstance(criterion, nn.CrossEntropyLoss):
        return _softened
    if isinstance(criterion, nn.BCEWithLogitsLoss):
        return lambda y_pred, target: functional.binary_cross_entropy_with_logits(
            y_pred, target.sigmoid()
        )
    if isinstance(criterion, nn.NLLLoss):  # skorch takes the logarithm of probabilities
        return lambda y_pred, target: functional.kl_div(
            (y_pred + 1e-7).log(), target, reduction="batchmean"
        )
    return functional.mse_loss


def _softened(y_pred, target):
    """Divergence of softened class probabilities (Hinton, Vinyals, Dean 2015)."""
    return _TEMPERATURE**2 * functional.kl_div(
        functional.log_softmax(y_pred / _TEMPERATURE, 1),
        functional.softmax(target / _TEMPERATURE, 1),
        reduction="batchmean",
    )


def values_of(module):
    """Parameters and buffers of a module as arrays, by name."""
    state = module.state_dict() | dict(module.named_buffers())  # also not persistent ones
    return {
        name: np.array(tensor.detach().cpu().numpy())
        for name, tensor in state.items()
        if isinstance(tensor, torch.Tensor)
    }


def load_values(module, values):
    """Copy arrays into the parameters and buffers of a module, shared ones once.

    Raises InvalidParameterError if a new module of this class has other parameters.
    """
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if name not in values:
                continue
            if is_lazy(tensor):
                tensor.materialize(values[name].shape)
            if tensor.shape != values[name].shape:
                raise _other_parameters(module, name)
            tensor.copy_(torch.as_tensor(values[name]))
    parameters = dict(module.named_parameters(remove_duplicate=False))
    for name in values.keys() - parameters.keys() - dict(module.named_buffers()).keys():
        prefix = name[: name.rfind(".") + 1]
        if any(own.startswith(prefix) and own not in values for own in parameters):
            raise _other_parameters(module, name)


def _other_parameters(module, name):
    return InvalidParameterError(
        "The constructor of a module must make the parameters that were fitted. Got a new "
        f"{type(module).__name__} without {name}, or with another shape of it. Write "
        "refit=False and MagnitudeCriterion(), and use compact_ instead of estimator_."
    )


def apply_masks(module, masks):
    """Multiply parameters with their masks."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name in masks:
                parameter.mul_(torch.as_tensor(masks[name]).to(parameter))


def _names_of_readers(work, module):
    """Names of the layers that read hidden units: all but those that read the rows."""
    if work.graph is None:
        layers = [
            name
            for name, part in module.named_modules()
            if isinstance(part, (nn.Linear, *_CONVOLUTIONS))
        ]
        return layers[1:]
    operations = work.graph.operations
    hidden = [False] * len(operations)
    names = []
    for position, operation in enumerate(operations):
        layer = operation.kind in ("dense", "conv")
        hidden[position] = layer or any(hidden[source] for source in operation.inputs)
        if layer and any(hidden[source] for source in operation.inputs):
            names.append(operation.weight.removesuffix(".weight"))
    return names
