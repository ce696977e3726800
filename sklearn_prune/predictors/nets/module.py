"""A torch module that cannot be followed, with its non-zero parameters packed."""

from copy import deepcopy
from pickle import PicklingError

import numpy as np

from ..base import Compact, available_if
from ..quantized import dense


class CompactModule(Compact):
    """A skorch net whose parameters are stored as bits and non-zero values.

    Attributes
    ----------
    net_ : NeuralNet
        Without parameters; they are put in for a prediction.
    packed_ : dict of str -> tuple
        For each parameter or buffer its shape, packed bits of the non-zero entries (None
        where nearly all are) and these entries.
    is_cut_ : bool
        Whether layers are smaller than the constructor of the module makes them.
    """

    is_cut_ = False

    @classmethod
    def of(cls, net, values, masks):
        """Store a net with these values."""
        compact = cls()
        compact.net_ = emptied(net)
        compact.packed_ = {}
        state = net.module_.state_dict(keep_vars=True)
        first = {id(tensor): name for name, tensor in reversed(state.items())}
        for name, value in values.items():
            other = first[id(state[name])] if name in state else name
            if other != name:  # layers that share it
                compact.packed_[name] = compact.packed_[other]
                continue
            bits = None
            if name in masks and not masks[name].all():
                bits = np.packbits(value != 0)
                packed = value[value != 0]
            else:
                packed = value.ravel()
            compact.packed_[name] = (value.shape, bits, packed)
        for name in ("classes_", "n_features_in_", "feature_names_in_"):
            if hasattr(net, name):
                setattr(compact, name, getattr(net, name))
        return compact

    def __sklearn_is_fitted__(self):
        return hasattr(self, "packed_")

    def values(self):
        """Arrays by name, zeros for what is gone."""
        found = {}
        for name, (shape, bits, packed) in self.packed_.items():
            packed = dense(packed)
            if bits is None:
                found[name] = packed.reshape(shape)
                continue
            mask = np.unpackbits(bits, count=int(np.prod(shape))).view(bool)
            found[name] = np.zeros(mask.size, dtype=packed.dtype)
            found[name][mask] = packed
            found[name] = found[name].reshape(shape)
        return found

    def _net(self):
        """The net with its parameters."""
        import torch

        net = deepcopy(self.net_)
        state = {}
        for name, value in self.values().items():
            own = np.require(value, requirements="W")  # arrays of files are read-only
            state[name] = torch.as_tensor(own, dtype=net.dtypes_[name], device=net.device)
        net.module_.load_state_dict(state, assign=True, strict=False)
        for name, buffer in net.module_.named_buffers():
            if buffer.is_meta:  # no part of the state, as it is not persistent
                owner, _, leaf = name.rpartition(".")
                net.module_.get_submodule(owner)._buffers[leaf] = state[name]
        return net

    def predict(self, X):
        """Predict as the net does."""
        return self._net().predict(X)

    @available_if(
        lambda self: hasattr(self.net_, "predict_proba") and hasattr(self, "classes_")
    )
    def predict_proba(self, X):
        """Class probabilities as the net gives them."""
        return self._net().predict_proba(X)

    def quantized(self, quantizer):
        """A copy whose weights are rounded and stored small."""
        small = deepcopy(self)
        for name, (shape, bits, packed) in small.packed_.items():
            if packed.dtype.kind == "f" and len(shape) > 1:
                small.packed_[name] = (shape, bits, quantizer.quantize(packed))
        return small

    def _stored(self):
        for name, (_, _, packed) in self.packed_.items():
            if name in self.net_.parameter_names_:
                yield dense(packed)


def emptied(net):
    """A copy of a net without parameters, optimizer and history."""
    try:
        net = deepcopy(net)  # by pickle, in skorch
    except (AttributeError, PicklingError) as error:
        raise TypeError(
            "A module that cannot be followed is stored as it is, by classes and functions "
            f"that pickle finds. Got {type(net.module_).__name__}: {error}. Write them at "
            "the top level of a file."
        ) from error
    nonlinearity = net._get_predict_nonlinearity()  # by the loss, which is dropped
    net.trim_for_prediction()
    net.predict_nonlinearity = nonlinearity
    module = net.module_
    net.parameter_names_ = frozenset(dict(module.named_parameters()))
    state = module.state_dict() | dict(module.named_buffers())
    net.dtypes_ = {name: part.dtype for name, part in state.items()}
    net.module_ = module.to("meta")
    return net
