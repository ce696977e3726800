"""Boosted trees in the flat form, which predicts."""

import numpy as np

from sklearn_prune.weight_pruning._quantize import QuantizedArray
from sklearn_prune.weight_pruning.compact._boosting_dialects import DIALECTS
from sklearn_prune.weight_pruning.compact._leaves import ValueLeaves, leaf_table
from sklearn_prune.weight_pruning.compact._trees import FlatTrees, TreeArrays

HALF_RANGE = (1e-3, 6e4)  # largest leaf values that half floats hold well


def flat_trees(model, small_leaves=False):
    """The trees in the flat form."""
    trees = model.trees
    parts = []
    for first, last in zip(
        trees.roots, np.append(trees.roots[1:], trees.n_nodes), strict=True
    ):
        own = slice(int(first), int(last))
        left, right = trees.left[own], trees.right[own]
        parts.append(
            TreeArrays(
                left=np.where(left < 0, -1, left - first),
                right=np.where(left < 0, -1, right - first),
                feature=trees.feature[own],
                threshold=trees.threshold[own],
                value=trees.value[own][:, None],
                missing=trees.missing[own],
                category=trees.category[own],
            )
        )
    small_leaves = small_leaves and fits_half(trees.value[trees.left < 0])
    n_outputs = model.n_outputs
    output = trees.output
    if np.array_equal(output, np.resize(np.arange(n_outputs), len(output))):
        output = np.arange(n_outputs)
    return FlatTrees.build(
        parts,
        model.n_features,
        exact_float64_thresholds=not DIALECTS[model.library].float32
        or bool(trees.category_sets),
        n_outputs=n_outputs,
        output_column=output,
        category_sets=trees.category_sets,
        table=_half_table if small_leaves else leaf_table,
    )


def fits_half(values):
    """Whether half floats hold these leaf values well."""
    return HALF_RANGE[0] < np.abs(values).max(initial=0.0) < HALF_RANGE[1]


def _half_table(rows, totals, bounds):
    return ValueLeaves(QuantizedArray(rows.astype(np.float16)))
