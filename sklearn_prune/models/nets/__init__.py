"""How multilayer perceptrons and skorch nets are pruned: weights, neurons and channels."""

from sklearn_prune._lazy import lazy_names
from sklearn_prune.weight_pruning import FamilySpec

_SHARED = {"torch_parts": "plain_copy resize"}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)

SPECS = tuple(
    FamilySpec(
        bases=(base,),
        family=f"{__name__}.{family}",
        exporters={
            "onnx": "sklearn_prune.persistence.export.onnx.nets:WRITERS",
            "c": "sklearn_prune.persistence.export.c.nets:WRITERS",
        },
    )
    for base, family in (
        ("sklearn.BaseMultilayerPerceptron", "mlp:MlpFamily"),
        ("skorch.NeuralNet", "torch:TorchFamily"),
    )
)
