"""The models of torchvision, also beside a build of torch without CUDA."""

import torch

# Operators on boxes of the wheel on PyPI, which loads them with CUDA only. Models of
# images do not call them, but importing torchvision asks for their names.
_BOXES = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_LIBRARY = torch.library.Library("torchvision", "FRAGMENT")


def torchvision_models():
    """`torchvision.models`; ImportError if torchvision is not installed."""
    try:
        import torchvision
    except RuntimeError:
        for name in ("nms", "qnms"):
            _LIBRARY.define(f"{name}{_BOXES}")
        import torchvision
    return torchvision.models


def make(name, n_classes=3):
    """A model without trained weights."""
    settings = {"num_classes": n_classes, "weights": None}
    if name == "googlenet":
        settings |= {"aux_logits": False, "init_weights": False}
    return getattr(torchvision_models(), name)(**settings)
