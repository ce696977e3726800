"""Torch modules of which units have been cut: attention of any width, sizes by shapes.

This file imports torch, so it is imported where a torch module is at hand.
"""

import math
from copy import deepcopy

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.modules.batchnorm._NormBase,)
RECURRENT = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}  # gates of each unit


class SlimAttention(nn.Module):
    """`torch.nn.MultiheadAttention` whose heads may be fewer than its inputs are wide.

    Parameters
    ----------
    attention : torch.nn.MultiheadAttention
        What it replaces, with the same outputs. `can_replace` says whether it can.
    """

    def __init__(self, attention):
        super().__init__()
        width = attention.embed_dim
        self.num_heads, self.head_dim = attention.num_heads, attention.head_dim
        self.batch_first, self.dropout = attention.batch_first, attention.dropout
        # What the encoder layers of torch read, to leave their fast path alone.
        self.in_proj_bias, self._qkv_same_embed_dim = None, False
        biases = [None] * 3
        if attention.in_proj_bias is not None:
            biases = attention.in_proj_bias.detach().chunk(3)
        for name, weight, bias in zip(
            "qkv", attention.in_proj_weight.detach().chunk(3), biases, strict=True
        ):
            part = nn.Linear(width, width, bias is not None, weight.device, weight.dtype)
            part.weight.data = weight.clone()
            if bias is not None:
                part.bias.data = bias.clone()
            self.add_module(name, part)
        old = attention.out_proj
        weight = old.weight
        self.out_proj = nn.Linear(
            width, width, old.bias is not None, weight.device, weight.dtype
        )
        self.out_proj.load_state_dict(old.state_dict())
        self.train(attention.training)

    @staticmethod
    def can_replace(attention):
        """Whether queries, keys and values are as wide as the heads together."""
        return (
            attention._qkv_same_embed_dim
            and attention.bias_k is None
            and not attention.add_zero_attn
        )

    def forward(
        self,
        query,
        key,
        value,
        key_padding_mask=None,
        need_weights=True,
        attn_mask=None,
        average_attn_weights=True,
        is_causal=False,
    ):
        """What `torch.nn.MultiheadAttention` gives: outputs, and weights if needed."""
        batched = query.dim() == 3
        inputs = (query, key, value)
        if not batched:
            inputs = [part.unsqueeze(0) for part in inputs]
            if key_padding_mask is not None:
                key_padding_mask = key_padding_mask.unsqueeze(0)
        elif not self.batch_first:
            inputs = [part.transpose(0, 1) for part in inputs]
        q, k, v = (
            make(part).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for make, part in zip((self.q, self.k, self.v), inputs, strict=True)
        )
        mask = self._mask(attn_mask, key_padding_mask, q)
        p = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            weights = q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)
            weights = (weights if mask is None else weights + mask).softmax(-1)
            out = functional.dropout(weights, p) @ v
            weights = weights.mean(1) if average_attn_weights else weights
            weights = weights if batched else weights.squeeze(0)
        else:
            out = functional.scaled_dot_product_attention(q, k, v, mask, p)
        out = self.out_proj(out.transpose(1, 2).flatten(2))
        if not batched:
            out = out.squeeze(0)
        elif not self.batch_first:
            out = out.transpose(0, 1)
        return out, weights

    def _mask(self, attn_mask, padding, q):
        """Both masks as numbers to add; masks of bools are True where nothing is read."""
        masks = []
        for mask in (attn_mask, padding):
            if mask is not None and mask.dtype == torch.bool:
                mask = torch.zeros_like(mask, dtype=q.dtype).masked_fill(mask, -math.inf)
            masks.append(mask)
        attn_mask, padding = masks
        if attn_mask is not None and attn_mask.dim() == 3:
            attn_mask = attn_mask.reshape(len(q), -1, *attn_mask.shape[1:])
        if padding is not None:
            padding = padding[:, None, None]
            attn_mask = padding if attn_mask is None else attn_mask + padding
        return attn_mask


def plain_copy(module):
    """A copy whose weights are parameters, and whose attention can lose heads.

    Masks of `torch.nn.utils.prune`, weight norms, spectral norms and parametrizations are
    applied once and removed. Outputs in evaluation mode are the same.
    """
    computed = [
        tensor
        for part in module.modules()
        for tensor in vars(part).values()
        if isinstance(tensor, torch.Tensor) and tensor.grad_fn is not None
    ]  # which deepcopy refuses
    module = deepcopy(module, {id(tensor): tensor.detach().clone() for tensor in computed})
    for part in module.modules():
        for hook in list(part._forward_pre_hooks.values()):
            kind = type(hook).__name__
            if isinstance(hook, prune.BasePruningMethod):
                prune.remove(part, hook._tensor_name)
            elif kind == "WeightNorm":
                remove_weight_norm(part, hook.name)
            elif kind == "SpectralNorm":
                remove_spectral_norm(part, hook.name)
        if parametrize.is_parametrized(part):
            made = type(part)  # for one module, and its copies share it
            part.__class__ = type(made.__name__, made.__bases__, dict(vars(made)))
            for name in list(part.parametrizations):
                parametrize.remove_parametrizations(part, name)
            for key, hook in list(part._load_state_dict_pre_hooks.items()):
                own = getattr(hook, "hook", hook)  # which pickle does not find
                if "weight_norm" in getattr(own, "__qualname__", ""):
                    del part._load_state_dict_pre_hooks[key]
    for part in list(module.modules()):
        for name, child in list(part.named_children()):
            if type(child) is nn.MultiheadAttention and SlimAttention.can_replace(child):
                setattr(part, name, SlimAttention(child))
        if isinstance(part, nn.TransformerEncoder):
            part.enable_nested_tensor = part.use_nested_tensor = False
    return module


def resize(module, tensors):
    """Replace parameters and buffers by others, and make the sizes of layers theirs.

    Parameters
    ----------
    module : torch.nn.Module
        By `plain_copy`; it is changed. Its layers still have the sizes of its parameters.
    tensors : dict of str to Tensor
        By the names that `state_dict` and `named_buffers` have.

    Returns
    -------
    torch.nn.Module
        The module.
    """
    made = {}  # layers may share a parameter
    for name, tensor in tensors.items():
        path, _, leaf = name.rpartition(".")
        owner = module.get_submodule(path)
        if leaf in owner._buffers:
            owner._buffers[leaf] = tensor
            continue
        old = owner._parameters[leaf]
        if id(old) not in made:
            made[id(old)] = nn.Parameter(tensor, requires_grad=old.requires_grad)
    for part in module.modules():
        for leaf, old in part._parameters.items():
            part._parameters[leaf] = made.get(id(old), old)
    for part in module.modules():
        _set_sizes(part)
    return module


def _set_sizes(part):
    if isinstance(part, nn.Linear):
        part.out_features, part.in_features = part.weight.shape
    elif isinstance(part, CONVOLUTIONS):
        each = part.out_channels // part.groups
        part.out_channels = len(part.weight)
        part.groups = part.out_channels // each if part.groups > 1 else 1
        part.in_channels = part.weight.shape[1] * part.groups
    elif isinstance(part, TRANSPOSED):
        if part.groups == 1:
            part.in_channels, part.out_channels = part.weight.shape[:2]
    elif isinstance(part, NORMS):
        known = [part.weight, part.running_mean]
        part.num_features = next(
            (len(v) for v in known if v is not None), part.num_features
        )
    elif isinstance(part, nn.GroupNorm):
        if part.weight is not None:
            each = part.num_channels // part.num_groups
            part.num_channels = len(part.weight)
            part.num_groups = part.num_channels // each
    elif isinstance(part, nn.LayerNorm):
        if part.weight is not None:
            part.normalized_shape = tuple(part.weight.shape)
    elif isinstance(part, nn.Embedding | nn.EmbeddingBag):
        part.embedding_dim = part.weight.shape[1]
    elif isinstance(part, nn.PReLU):
        part.num_parameters = len(part.weight)
    elif isinstance(part, SlimAttention):
        part.num_heads = len(part.q.weight) // part.head_dim
    elif type(part) in RECURRENT and not part.proj_size:
        part.hidden_size = part.weight_hh_l0.shape[1]
        part.input_size = part.weight_ih_l0.shape[1]
        part._flat_weights = [getattr(part, name) for name in part._flat_weights_names]
