"""How nearest neighbours are pruned: stored rows."""

from sklearn_prune.weight_pruning import FamilySpec

SPECS = (
    FamilySpec(
        bases=("sklearn.KNeighborsClassifier", "sklearn.KNeighborsRegressor"),
        family=f"{__name__}.family:NeighborsFamily",
        exporters={"onnx": "sklearn_prune.persistence.export.onnx.neighbors:WRITERS"},
    ),
)
