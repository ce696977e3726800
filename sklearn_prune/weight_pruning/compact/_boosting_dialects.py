"""How each boosting library reads its input and decides between classes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """The conventions of one library.

    Parameters
    ----------
    float32 : bool, default=False
        Whether rows are read in single precision.
    allow_nan : bool, default=True
        Whether missing and infinite values are read.
    accept_sparse : bool, default=True
        Whether sparse matrices are read.
    absent_is_missing : bool, default=False
        Whether what a sparse matrix does not store is missing, instead of zero.
    tiny_is_zero : bool, default=False
        Whether numbers up to 1e-35 are read as zeros.
    columns_by_position : bool, default=False
        Whether a frame is read by position where the model has no feature names.
    encodes_arrays : bool, default=False
        Whether arrays too hold the values of categories, instead of their codes. Infinite
        values are then refused.
    refuses_unknown : bool, default=False
        Whether a category that the model does not know is an error, instead of missing.
    column_major : bool, default=False
        Whether the softmax adds up scores that are stored by columns, which rounds
        differently.
    decides_by_scores : bool, default=False
        Whether the class is found from raw scores, instead of from probabilities.
    zero_is_positive : bool, default=False
        Whether a raw score of zero means the second of two classes.
    predicts_codes : bool, default=False
        Whether `predict` returns the codes of the classes, instead of their labels.
    """

    float32: bool = False
    allow_nan: bool = True
    accept_sparse: bool = True
    absent_is_missing: bool = False
    tiny_is_zero: bool = False
    columns_by_position: bool = False
    encodes_arrays: bool = False
    refuses_unknown: bool = False
    column_major: bool = False
    decides_by_scores: bool = False
    zero_is_positive: bool = False
    predicts_codes: bool = False


DIALECTS = {
    "gradient": Dialect(
        float32=True, allow_nan=False, decides_by_scores=True, zero_is_positive=True
    ),
    "hist": Dialect(
        accept_sparse=False,
        encodes_arrays=True,
        column_major=True,
        decides_by_scores=True,
    ),
    "lightgbm": Dialect(tiny_is_zero=True, columns_by_position=True),
    "xgboost": Dialect(
        float32=True, absent_is_missing=True, refuses_unknown=True, predicts_codes=True
    ),
}
