"""How kernel machines and Gaussian processes are pruned: support vectors."""

from sklearn_prune._lazy import lazy_names
from sklearn_prune.weight_pruning import FamilySpec

SPECS = (
    FamilySpec(
        bases=(
            "sklearn.BaseSVC",
            "sklearn.BaseLibSVM",
            "sklearn.KernelRidge",
            "sklearn.GaussianProcessRegressor",
            "sklearn.GaussianProcessClassifier",
        ),
        family=f"{__name__}.family:KernelFamily",
        exporters={
            "onnx": "sklearn_prune.persistence.export.onnx.kernel:WRITERS",
            "c": "sklearn_prune.persistence.export.c.kernel:WRITERS",
        },
    ),
)
_SHARED = {"refit": "root_of"}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
