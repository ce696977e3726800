"""How multilayer perceptrons and skorch nets are pruned: weights, neurons and channels."""

from sklearn_prune.weight_pruning import FamilySpec

_PREDICTORS = (
    "Add CompactNetClassifier CompactNetRegressor Convolution Dense Flatten Layer Pool "
    "QuantizedArray Reshape Scale SparseWeights"
)
SPECS = tuple(
    FamilySpec(
        bases=(base,),
        family=f"{__name__}.{family}",
        predictors=tuple(_PREDICTORS.split()),
        checks="sklearn_prune.predictors.nets.checks:CHECKS",
        exporters={"onnx": "sklearn_prune.persistence.export.onnx.nets:WRITERS"},
    )
    for base, family in (
        ("sklearn.BaseMultilayerPerceptron", "mlp:MlpFamily"),
        ("skorch.NeuralNet", "torch:TorchFamily"),
    )
)
