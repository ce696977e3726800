"""How multilayer perceptrons and skorch nets are pruned: weights, neurons and channels."""

from sklearn_prune.weight_pruning import FamilySpec

_PREDICTORS = (
    "Add CompactNetClassifier CompactNetRegressor Convolution Dense Flatten Layer Pool "
    "QuantizedArray Reshape Scale SparseWeights"
)
SPECS = (
    FamilySpec(
        bases=("sklearn.BaseMultilayerPerceptron",),
        family=f"{__name__}.mlp:MlpFamily",
        predictors=tuple(_PREDICTORS.split()),
        checks="sklearn_prune.predictors.nets.checks:CHECKS",
        exporters={"onnx": "sklearn_prune.persistence.export.onnx.nets:WRITERS"},
    ),
    FamilySpec(
        bases=("skorch.NeuralNet",),
        family=f"{__name__}.torch:TorchFamily",
        predictors=tuple(_PREDICTORS.split()),
        checks="sklearn_prune.predictors.nets.checks:CHECKS",
        exporters={"onnx": "sklearn_prune.persistence.export.onnx.nets:WRITERS"},
    ),
)
