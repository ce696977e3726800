"""Gradients of the loss of single rows by the parameters of a torch module."""

import torch
from torch.func import functional_call, grad, vmap


def gradients_of(net, inputs, targets):
    """Gradient of each row's loss by each parameter.

    Parameters
    ----------
    net : NeuralNet
        Initialized, in evaluation mode.
    inputs, targets : tensor of shape (n_rows, ...)
        A few rows: all their gradients are held at once.

    Returns
    -------
    dict of str -> ndarray of shape (n_rows, ...)
        By the names of the parameters.
    """
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
    except RuntimeError:  # an operation that vmap does not know
        rows = [
            grad(loss_of)(parameters, row, target)
            for row, target in zip(inputs, targets, strict=True)
        ]
        found = {name: torch.stack([row[name] for row in rows]) for name in parameters}
    return {name: gradient.cpu().numpy() for name, gradient in found.items()}
