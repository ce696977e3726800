"""Fitted models of other libraries, read into plain arrays."""

from sklearn_prune._lazy import lazy_names

# What other parts of the package use.
_SHARED = {
    "BoostedModel": "boosted_model",
    "base_loss": "sklearn_models",
    "codes_by_frame": "boosting",
    "drop_optimizer": "sklearn_models",
    "fill_inner_values": "boosted_model",
    "inner_estimator": "sklearn_models",
    "label_binarizer": "sklearn_models",
    "label_encoder": "sklearn_models",
    "n_classes_with_support": "sklearn_models",
    "positive_label": "sklearn_models",
    "read_libsvm": "sklearn_models",
    "read_model": "boosting",
    "read_trees": "sklearn_models",
    "ready_to_go_on": "sklearn_models",
    "refusal": "boosting",
    "search_method": "sklearn_models",
    "set_base_loss": "sklearn_models",
    "set_label_binarizer": "sklearn_models",
    "set_label_encoder": "sklearn_models",
    "set_target_dimensions": "sklearn_models",
    "set_thresholds": "sklearn_models",
    "stored_rows": "sklearn_models",
    "target_dimensions": "sklearn_models",
    "target_scale": "sklearn_models",
    "voting_weights": "sklearn_models",
}

__getattr__, __dir__ = lazy_names(__name__, _SHARED)
