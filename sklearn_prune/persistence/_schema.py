"""Which things a file may describe: looked through before anything is made of them."""

from functools import cache

from sklearn_prune._lazy import import_or_raise

_CONTAINERS = {
    "DictNode": {"builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"},
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple", "sklearn.impute._iterative._ImputerTriplet"},
    "SetNode": {"builtins.set"},
    "SliceNode": {"builtins.slice"},
    "DTypeNode": {"numpy.dtype"},
    "JsonNode": {"builtins.str"},
}
# Compiled code that trusts what it is given: its models are stored in compact form.
_UNCHECKED = {
    f"sklearn.{name}"
    for name in (
        "svm._classes.NuSVC",
        "svm._classes.NuSVR",
        "svm._classes.OneClassSVM",
        "svm._classes.SVC",
        "svm._classes.SVR",
    )
}
_KERNELS = (
    "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Hyperparameter "
    "Matern PairwiseKernel Product RBF RationalQuadratic Sum WhiteKernel"
)
_OTHERS = (
    "sklearn_prune.persistence.parts.StoredForm",
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
)
_OBJECTS = ("sklearn_prune.", "sklearn.compose.", "sklearn.gaussian_process.")
_MOST_NODES = 10_000_000


def trusted_types():
    """Names of the types that `load` makes of parts, as `skops.io.load` takes them.

    Beside these, parts may hold numbers, texts, containers of them, numpy's ufuncs and
    scikit-learn's estimators.
    """
    kernels = (f"sklearn.gaussian_process.kernels.{name}" for name in _KERNELS.split())
    return sorted({*kernels, *_OTHERS})


def foreign_types(schema):
    """Sorted names of the types in a description of skops that `load` makes nothing of."""
    allowed, found = _allowed(), set()
    left, n_nodes = [schema], 0
    while left:
        part = left.pop()
        n_nodes += 1
        if n_nodes > _MOST_NODES:
            return ["too many parts"]
        if isinstance(part, list):
            left.extend(part)
        elif isinstance(part, dict):
            left.extend(part.values())
            if "__loader__" in part or "__class__" in part:
                loader = str(part.get("__loader__"))
                name = f"{part.get('__module__')}.{part.get('__class__')}"
                if name not in allowed.get(loader, ()):
                    found.add(name if loader in allowed else f"{name} ({loader})")
    return sorted(found)


def forged_sharing(schema, sizes, max_bytes):
    """What is wrong with the parts of a description that name one object twice, or None.

    skops makes one object of parts of one id, whatever the later ones say. As `save` writes
    them they are equal, which bounds what a walk through all of them takes. `sizes` are the
    bytes of the members, of which `max_bytes` may be read.
    """
    if not isinstance(schema.get("protocol"), int) or schema["protocol"] < 2:
        return "its protocol of skops is too old"
    seen, read, total, left = {}, set(), 0, [schema | {"protocol": None}]
    while left:
        part = left.pop()
        if isinstance(part, list):
            left.extend(part)
        elif isinstance(part, dict):
            left.extend(part.values())
            number, file = part.get("__id__"), part.get("file")
            if isinstance(number, list | dict) or isinstance(file, list | dict):
                return "a part has no proper name"
            if number and seen.setdefault(number, part) != part:
                return f"the parts {number} differ"
            if file is not None and (not number or (number, file) not in read):
                read.add((number, file))
                total += sizes.get(file, 0)
                if total > max_bytes:
                    return f"its parts read more than max_bytes={max_bytes:,}"
    return None


@cache
def _allowed():
    """Names of types by the loader of skops that makes them."""
    known = import_or_raise("skops.io._trusted_types", "load", extra="persist")
    ours = set(trusted_types())
    estimators = set(known.SKLEARN_ESTIMATOR_TYPE_NAMES) - _UNCHECKED
    scalars = {*known.NUMPY_DTYPE_TYPE_NAMES, "numpy.bool"}
    functions = {*known.NUMPY_UFUNC_TYPE_NAMES, *known.SCIPY_UFUNC_TYPE_NAMES}
    return _CONTAINERS | {
        "NdArrayNode": {"numpy.ndarray", *scalars},
        "SparseMatrixNode": {name for name in ours if name.startswith("scipy.sparse.")},
        "TypeNode": {
            *known.PRIMITIVE_TYPE_NAMES,
            *known.CONTAINER_TYPE_NAMES,
            *scalars,
            "builtins.NoneType",
            "numpy.number",
        },
        "FunctionNode": {*functions, "numpy.mean"},
        "ObjectNode": estimators | {name for name in ours if name.startswith(_OBJECTS)},
    }
