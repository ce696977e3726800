"""How boosting of scikit-learn, LightGBM and XGBoost is pruned: iterations and nodes."""

from sklearn_prune.weight_pruning import FamilySpec

SPECS = (
    FamilySpec(
        bases=(
            "sklearn.BaseGradientBoosting",
            "sklearn.BaseHistGradientBoosting",
            "lightgbm.LGBMModel",
            "xgboost.XGBModel",
        ),
        family=f"{__name__}.family:BoostingFamily",
        exporters={
            "onnx": "sklearn_prune.persistence.export.onnx.boosting:WRITERS",
            "c": "sklearn_prune.persistence.export.c.boosting:WRITERS",
        },
    ),
)
