"""Input features of any model: columns are dropped, and the model is fitted again."""

from sklearn_prune._lazy import lazy_names
from sklearn_prune.weight_pruning import FamilySpec

SPECS = (
    FamilySpec(
        bases=(),  # any model that no other spec names
        family=f"{__name__}:FeatureFamily",
        exporters={"onnx": "sklearn_prune.persistence.export.onnx.containers:WRITERS"},
    ),
)
_SHARED = {"family": "FeatureFamily ModelFamily spreads"}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
