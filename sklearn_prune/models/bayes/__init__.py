"""How naive Bayes and discriminant analysis are pruned: columns."""

from sklearn_prune.weight_pruning import FamilySpec

SPECS = (
    FamilySpec(
        bases=(
            "sklearn._BaseNB",
            "sklearn.LinearDiscriminantAnalysis",
            "sklearn.QuadraticDiscriminantAnalysis",
        ),
        family=f"{__name__}.family:NaiveBayesFamily",
        exporters={"onnx": "sklearn_prune.persistence.export.onnx.bayes:WRITERS"},
    ),
)
