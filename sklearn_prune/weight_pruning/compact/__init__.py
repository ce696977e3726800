"""Standalone predictors: the small form in which a pruned model is kept."""
