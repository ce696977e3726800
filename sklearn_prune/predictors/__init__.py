"""Predictors of each kind of model. Imports numpy only.

Pickles name the classes by this module. The files in which they stand may
change, this name does not.
"""

from importlib import import_module

_PUBLIC = {
    "base": "Compact LoadError",
    "bayes": (
        "CompactCategorical CompactDiscriminant CompactGaussian CompactLogLinear "
        "CompactQuadratic"
    ),
    "boosting": "CompactBoosting",
    "containers": (
        "CompactBaggedClassifier CompactBaggedRegressor CompactClassifierChain "
        "CompactConstant CompactHardVoting CompactMultiClassifier CompactMultiRegressor "
        "CompactOneVsOne CompactOneVsRest CompactOutputCode CompactRegressorChain "
        "CompactSoftVoting CompactThreshold CompactTransformedTarget "
        "CompactVotingRegressor"
    ),
    "covariances": "ProcessKernel",
    "cross_fitted": "CompactCalibrated CompactStackingClassifier CompactStackingRegressor",
    "frames": "CSR",
    "gaussian_process": "CompactProcess CompactProcessClassifier LatentProcess",
    "kernel": "CompactSVC CompactSVR KernelFunction",
    "kernel_scores": "CompactKernelClassifier",
    "linear": (
        "CompactBayesianRegressor CompactLinearClassifier CompactLinearRegressor "
        "CompactMultilabelClassifier"
    ),
    "model": "CompactModel",
    "neighbors": "CompactNeighborsClassifier CompactNeighborsRegressor",
    "nets.layers": "Add Convolution Dense Flatten Layer Pool Reshape Scale",
    "nets.module": "CompactModule",
    "nets.net": "CompactNetClassifier CompactNetRegressor",
    "nets.weights": "SparseWeights",
    "quantized": "QuantizedArray",
    "steps": "CompactColumns CompactPipeline",
    "storage.encode": "stored_bytes",
    "storage.load": "load",
    "transformers.base": "ColumnSelector CompactFunction CompactIdentity",
    "transformers.containers": (
        "CompactColumnTransformer CompactFeatureUnion CompactSteps"
    ),
    "transformers.distributions": "CompactPowerTransformer CompactQuantileTransformer",
    "transformers.encoding": (
        "CompactKBinsDiscretizer CompactOneHotEncoder CompactOrdinalEncoder"
    ),
    "transformers.imputing": "CompactSimpleImputer",
    "transformers.projecting": ("CompactPCA CompactPolynomialFeatures CompactTruncatedSVD"),
    "transformers.scaling": (
        "CompactBinarizer CompactMaxAbsScaler CompactMinMaxScaler CompactNormalizer "
        "CompactRobustScaler CompactStandardScaler"
    ),
    "transformers.texts": (
        "CompactCountVectorizer CompactTfidfTransformer CompactTfidfVectorizer"
    ),
    "trees.columns": "KeyColumns",
    "trees.flat": "FlatTrees",
    "trees.forest": (
        "CompactBaggingClassifier CompactForestClassifier CompactForestRegressor "
        "CompactScoreForestClassifier CompactScoreForestRegressor"
    ),
    "trees.leaves": "ShareLeaves SparseLeaves ValueLeaves",
}
# For other parts of this package only.
_SHARED = {
    "base": "Estimator copy_attributes",
    "boosting": "DIALECTS METHODS ScoredRows TINY",
    "command_line.checking": "add_check add_max_bytes check_saved load_file print_result",
    "command_line.inspecting": "add_inspect kind_of",
    "command_line.pickles": "read_pickle",
    "command_line.terminal": "CommandError Parser escaped progress run say",
    "containers": "INVERSES inverse_steps pairs",
    "cross_fitted": "response stacked",
    "frames": "as_numbers column is_frame is_missing names_of",
    "gaussian_process": "RATES SHARES",
    "kernel": "as_libsvm hold pairs_of points_and_coefficients",
    "neighbors": "inverse_distances nearest_by_products smallest_exact",
    "nets.activations": "KNOWN_ACTIVATIONS SELU_ALPHA SELU_SCALE",
    "nets.graph": "Graph Operation Site",
    "nets.layers": "layer_of",
    "nets.module": "emptied",
    "nets.net": "CompactNet",
    "nets.places": "places_out unfolded",
    "nets.weights": "rounded_bias shared_values with_values",
    "quantized": (
        "Stored arrays_in check_quantized dense is_count is_sparse need take_columns"
    ),
    "steps": "at_columns behind_steps",
    "storage.archive": "Archive not_ours write_archive",
    "storage.decode": "need_consent parse",
    "storage.describe": "describe",
    "storage.encode": "ByteCounter Encoder dumps member_of npy",
    "storage.load": "checked_path",
    "storage.forms": "DEFAULT_PATTERN provide_forms word_of",
    "storage.witness": "DifferentAnswers answers_to rows_of",
    "transformers": "forms_of transformer_of",
    "transformers.base": "CompactTransformer",
    "trees.arrays": "TreeArrays flat_order joined levels pick_trees picked",
    "trees.columns": (
        "CATEGORIES CategorySet MISSING_LEFT MISSING_RIGHT MISSING_ZERO float32_below"
    ),
    "trees.forest": "compact_score_forest",
    "trees.leaves": "leaf_table",
}
_MODULE_OF = {
    name: module
    for table in (_PUBLIC, _SHARED)
    for module, names in table.items()
    for name in names.split()
}
__all__ = sorted(" ".join(_PUBLIC.values()).split())


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return globals().setdefault(name, found)  # pickle then finds it without this function


def __dir__():
    return sorted({*globals(), *__all__})
