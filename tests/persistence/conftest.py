import pytest


@pytest.fixture(scope="session")
def files(models, tmp_path_factory):
    """The file of each of the models, as bytes."""
    pytest.importorskip("skops")
    from sklearn_prune.persistence import save

    folder = tmp_path_factory.mktemp("files")
    found = {}
    for name, (model, _) in models.items():
        save(model, folder / "model.skprune")
        found[name] = (folder / "model.skprune").read_bytes()
    return found


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skprune"
