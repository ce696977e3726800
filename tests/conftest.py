import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one worker, one thread

from collections import defaultdict
from math import ceil
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from hypothesis import settings
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.callback import AutoPropagatedCallback
from sklearn.datasets import make_classification

EXAMPLES = {"default": 10, "ci": 200, "thorough": 5_000}
for name, n_examples in EXAMPLES.items():
    settings.register_profile(
        name,
        max_examples=n_examples,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=True,
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.hookimpl(tryfirst=True)  # before -m deselects
def pytest_collection_modifyitems(items):
    """Leave all cases of a test marked as ``sampled(n)`` but one in n to ``-m rest``.

    Which these are depends on their names only.
    """
    tests = defaultdict(list)
    for item in items:
        if item.get_closest_marker("sampled"):
            tests[item.function].append(item)
    for cases in tests.values():
        n = cases[0].get_closest_marker("sampled").args[0]
        cases.sort(key=lambda item: crc32(item.name.encode()))
        for item in cases[ceil(len(cases) / n) :]:
            item.add_marker(pytest.mark.rest)


@pytest.fixture(scope="session")
def models():
    """Fitted models by name, with rows to ask them about."""
    from tests.matrix import fitted_models

    return fitted_models()


@pytest.fixture
def classes():
    """Three overlapping classes of unequal size."""
    return make_classification(
        n_samples=240,
        n_features=8,
        n_informative=5,
        n_classes=3,
        weights=[0.6, 0.3, 0.1],
        random_state=0,
    )


@pytest.fixture
def X(classes):
    return classes[0]


@pytest.fixture
def y(classes):
    return classes[1]


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


class TaskRecorder(AutoPropagatedCallback):
    """Records the (estimator, task) pairs that begin, and counts teardowns."""

    max_propagation_depth = None

    def __init__(self):
        self.tasks, self.n_teardowns = [], 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        self.n_teardowns += 1

    def on_fit_task_begin(self, estimator, context):
        self.tasks.append((context.estimator_name, context.task_name))

    def on_fit_task_end(self, estimator, context):
        pass


@pytest.fixture
def recorder():
    return TaskRecorder()


@pytest.fixture
def mnist_path():
    """MNIST as npz, where the environment says that there is one."""
    path = os.environ.get("SKLEARN_PRUNE_MNIST", "")
    if not path or not Path(path).is_file():
        pytest.skip("SKLEARN_PRUNE_MNIST does not name an npz file with MNIST")
    return path


def as_frame(X, library):
    names = [f"x{i}" for i in range(X.shape[1])]
    frames = pytest.importorskip(library)
    if library == "pandas":
        return frames.DataFrame(X, columns=names)
    return frames.DataFrame({name: X[:, i] for i, name in enumerate(names)})


@pytest.fixture(params=["numpy", "float32", "fortran", "csr", "pandas", "polars", "list"])
def container(request):
    """A function that puts a float array into another container."""
    return {
        "numpy": np.asarray,
        "float32": lambda X: X.astype(np.float32),
        "fortran": np.asfortranarray,
        "csr": csr_array,
        "pandas": lambda X: as_frame(X, "pandas"),
        "polars": lambda X: as_frame(X, "polars"),
        "list": lambda X: X.tolist(),
    }[request.param]
