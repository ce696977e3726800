"""Fitted models of other libraries, read into plain arrays."""

from sklearn_prune._lazy import lazy_names

_SHARED = {
    "boosted_model": "BoostedModel fill_inner_values",
    "boosting": "needs_frame read_model refusal",
    "sklearn_steps": "fitted_step name_features",
    "sklearn_models": (
        "base_loss drop_optimizer inner_estimator label_binarizer label_encoder "
        "n_classes_with_support positive_label read_libsvm read_trees ready_to_go_on "
        "search_method set_base_loss set_label_binarizer set_label_encoder "
        "set_target_dimensions set_thresholds stored_rows target_dimensions target_scale "
        "voting_weights"
    ),
}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
