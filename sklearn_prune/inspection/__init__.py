"""What a model says: SHAP values, rules, and which predictions changed."""

from sklearn_prune._lazy import lazy_names

_PUBLIC = {
    "_churn": "ChurnReport churn_report",
    "_churn_display": "ChurnDisplay",
    "_shap": "ShapTrees shap_trees",
    "rule_table": "RuleTable rules",
}
_SHARED = {
    "_agreement": "importances n_features_read n_rules rank_correlation top_overlap",
    "_churn": "check_churn_options margins_of shown_lines",
}
__all__, __getattr__, __dir__ = lazy_names(__name__, _PUBLIC, _SHARED)
