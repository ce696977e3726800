"""Examples, and tests of comparisons and of extensions, are skipped at a missing extra."""

import os

# numba's parallel code, that of pynndescent, sets the threads of an OpenMP library that
# scikit-learn may share: threads of several workers then wait in busy loops for each other.
os.environ.setdefault("NUMBA_NUM_THREADS", "1")  # before numba is imported

import doctest
from importlib.util import find_spec

import pytest

from sklearn_prune._lazy import has

OPTIONAL = ("matplotlib", "onnxruntime", "pandas", "shap", "skl2onnx", "skops", "skorch")
OPTIONAL += ("torch",)

collect_ignore = ["docs/_build", "docs/api", "docs/gallery"]  # made with the site

# Found and not imported: the process that only hands out tests needs no torch.
has_nets = find_spec("torch") and find_spec("skorch")
nets = ("torch*", "vision", "zoo")
collect_ignore_glob = [] if has_nets else [f"*/models/nets/{name}.py" for name in nets]


def pytest_configure(config):
    # In pyproject.toml this filter would import numba before the line above is run.
    config.addinivalue_line("filterwarnings", "error::numba.core.errors.NumbaWarning")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except doctest.UnexpectedException as failure:
        skip_for_extra(failure.exc_info[1])
        raise
    except ImportError as error:  # tables of a comparison need pandas, files need skops
        if item.path.parent.name in ("comparison", "extension", "inspection"):
            skip_for_extra(error)
        raise


def skip_for_extra(error):
    """Skip if `error` says that an optional library is not installed."""
    while isinstance(error, ImportError):
        library = (error.name or "").partition(".")[0]
        if library in OPTIONAL and not has(library):
            pytest.skip(str(error))
        error = error.__cause__
