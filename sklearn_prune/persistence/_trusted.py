"""The types that a saved file may hold, beside numbers, texts and scikit-learn's own."""

_COMPACT = {
    "_boosting": "CompactBoosting",
    "_calibrated": "CompactCalibrated",
    "_columns": "CompactColumns",
    "_containers": "CompactConstant CompactThreshold CompactTransformedTarget",
    "_forest": "CompactBaggingClassifier CompactForestClassifier CompactForestRegressor",
    "_kernel": "CompactSVC CompactSVR",
    "_kernel_function": "KernelFunction",
    "_leaves": "ShareLeaves SparseLeaves ValueLeaves",
    "_linear": (
        "CompactBayesianRegressor CompactLinearClassifier CompactLinearRegressor "
        "CompactMultilabelClassifier"
    ),
    "_members": (
        "CompactBaggedClassifier CompactBaggedRegressor CompactClassifierChain "
        "CompactHardVoting CompactMultiClassifier CompactMultiRegressor CompactOneVsOne "
        "CompactOneVsRest CompactOutputCode CompactRegressorChain CompactSoftVoting "
        "CompactVotingRegressor"
    ),
    "_model": "CompactModel",
    "_naive_bayes": (
        "CompactCategorical CompactDiscriminant CompactGaussian CompactLogLinear "
        "CompactQuadratic"
    ),
    "_neighbors": "CompactNeighborsClassifier CompactNeighborsRegressor",
    "_net": "CompactNetClassifier CompactNetRegressor",
    "_net_layers": "Add Convolution Dense Flatten Layer Pool Reshape Scale",
    "_net_weights": "SparseWeights",
    "_pipeline": "CompactPipeline",
    "_process": "CompactProcess CompactProcessClassifier LatentProcess",
    "_score_forest": "CompactScoreForestClassifier CompactScoreForestRegressor",
    "_stacking": "CompactStackingClassifier CompactStackingRegressor",
    "_steps": "ColumnSelector",
    "_tree_columns": "KeyColumns",
    "_trees": "FlatTrees",
}
_KERNELS = (
    "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Hyperparameter "
    "Matern PairwiseKernel Product RBF RationalQuadratic Sum WhiteKernel"
)


def _named(module, names):
    return [f"{module}.{name}" for name in names.split()]


TRUSTED_TYPES = tuple(
    sorted(
        [
            *(
                name
                for module, names in _COMPACT.items()
                for name in _named(f"sklearn_prune.weight_pruning.compact.{module}", names)
            ),
            "sklearn_prune.weight_pruning._quantize.QuantizedArray",
            "sklearn_prune.persistence._stored.StoredModule",
            "sklearn_prune.persistence._stored.StoredSpline",
            *_named("sklearn.gaussian_process.kernels", _KERNELS),
            "numpy.dtype",
            "numpy.mean",  # of FeatureAgglomeration
            "numpy.number",  # of make_column_selector
            "scipy.sparse._csc.csc_array",
            "scipy.sparse._csc.csc_matrix",
            "scipy.sparse._csr.csr_array",
            "scipy.sparse._csr.csr_matrix",
            "sklearn.compose._column_transformer.make_column_selector",
            "sklearn.impute._iterative._ImputerTriplet",
            "sklearn.utils._bunch.Bunch",
        ]
    )
)
"""Names of the types that `load` makes of a file, as `skops.io.load` takes them.

Beside these, a file may hold numbers, texts, containers of them, numpy's ufuncs and
scikit-learn's estimators, which are the transformers of pipelines.
"""
