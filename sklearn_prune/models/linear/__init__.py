"""How linear models are pruned: coefficients, and columns."""

from sklearn_prune.weight_pruning import FamilySpec

SPECS = (
    FamilySpec(
        bases=(
            "sklearn.LinearModel",
            "sklearn.LinearClassifierMixin",
            "sklearn.BaseSGD",
            "sklearn.LinearSVR",
            "sklearn._GeneralizedLinearRegressor",
        ),
        family=f"{__name__}.family:LinearFamily",
        exporters={
            "onnx": "sklearn_prune.persistence.export.onnx.linear:WRITERS",
            "c": "sklearn_prune.persistence.export.c.linear:WRITERS",
        },
    ),
)
