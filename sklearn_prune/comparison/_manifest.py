"""What a comparison ran on and what it gave, in a form that can be compared."""

import platform
import sys
from functools import cache
from importlib.metadata import version

import joblib
import numpy as np
import scipy
import sklearn

import sklearn_prune
from sklearn_prune.comparison._canonical import canonical_json, hash_json
from sklearn_prune.comparison._describe import describe, describe_data, digest
from sklearn_prune.comparison._describe_code import has_version
from sklearn_prune.comparison._difference import first_difference

__all__ = [
    "canonical_json",
    "describe",
    "describe_data",
    "digest",
    "environment",
    "first_difference",
    "hash_json",
]

_IF_IMPORTED = ("torch", "skorch", "lightgbm", "xgboost")


def environment(descriptions=None):
    """Versions and the machine, as far as results depend on them.

    Parameters
    ----------
    descriptions : list or dict, optional
        Descriptions of estimators: the versions of the packages that they name are
        listed too. Without them, those of torch, skorch, lightgbm and xgboost are if
        they are imported.

    Returns
    -------
    dict
        Versions by package, "python", "machine", "blas", a sorted list of the libraries
        for linear algebra, and "threads", which is 1: fits run on one thread.

    Examples
    --------
    >>> from sklearn_prune.comparison._manifest import environment
    >>> here = environment()
    >>> here["threads"], "numpy" in here, "num_threads" in str(here)
    (1, True, False)
    """
    if descriptions is None:
        packages = {name for name in _IF_IMPORTED if name in sys.modules}
    else:
        packages = _packages_named(descriptions)
    required = (joblib, np, scipy, sklearn, sklearn_prune)
    versions = {module.__name__: module.__version__ for module in required}
    versions["numba"] = version("numba")  # which may not be imported yet
    for name in sorted(packages - versions.keys()):
        found = getattr(sys.modules.get(name), "__version__", None)
        if found is not None and has_version(name) and name not in sys.stdlib_module_names:
            versions[name] = str(found)
    return {
        "python": platform.python_version(),
        **versions,
        "machine": platform.machine(),
        "system": platform.system(),
        "blas": [dict(library) for library in _blas()],
        "threads": 1,
    }


@cache
def _blas():
    import scipy.linalg  # noqa: F401  (loads the library that fits use)
    from threadpoolctl import threadpool_info

    libraries = {
        (info["internal_api"], info["version"], info.get("architecture"))
        for info in threadpool_info()
        if info["user_api"] == "blas"
    }
    names = ("name", "version", "architecture")
    found = sorted(libraries, key=str)
    return tuple(tuple(zip(names, library, strict=True)) for library in found)


def _packages_named(description):
    """Top-level packages of the classes and functions in a description."""
    if isinstance(description, list):
        return set().union(*map(_packages_named, description))
    if not isinstance(description, dict):
        return set()
    found = set().union(*map(_packages_named, description.values()))
    for tag in ("class", "type", "function"):
        name = description.get(tag)
        if isinstance(name, str):
            found.add(name.partition(":")[0].partition(".")[0])
    return found
