"""How each kind of model is pruned: one file for each family."""
