"""How each kind of model is pruned: one folder for each kind.

`SPECS` in the `__init__.py` of a folder names the models, the family, the predictors and
the writers as strings. `KINDS` lists the folders.
"""

KINDS = (
    "linear",
    "trees",
    "boosting",
    "kernel",
    "neighbors",
    "bayes",
    "nets",
    "containers",
    "features",
)
