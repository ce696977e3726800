"""The types that a saved file may hold, beside numbers, texts and scikit-learn's own."""

from sklearn_prune.predictors import __all__ as _PREDICTORS

_KERNELS = (
    "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Hyperparameter "
    "Matern PairwiseKernel Product RBF RationalQuadratic Sum WhiteKernel"
)


def _named(module, names):
    return [f"{module}.{name}" for name in names.split()]


TRUSTED_TYPES = tuple(
    sorted(
        [
            # A module of torch is stored in a form of its own.
            *_named(
                "sklearn_prune.predictors", " ".join({*_PREDICTORS} - {"CompactModule"})
            ),
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
