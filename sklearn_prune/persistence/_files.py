"""Save fitted models in files that hold no code."""

import sklearn_prune
from sklearn_prune._atomic import written_whole
from sklearn_prune.persistence._stored import compact_form, why_whole
from sklearn_prune.persistence.parts import MEMBER, ForeignParts, Unstorable
from sklearn_prune.predictors import (
    FORMAT,
    Encoder,
    LoadError,
    checked_path,
    dumps,
    load,
    npy,
    write_archive,
)

__all__ = ["LoadError", "load", "save"]
_SUFFIX = ".skprune"


def save(model, path, *, metadata=None, compress=True, witness=True):
    path = checked_path(path)
    compact = compact_form(model)
    members = _members(model, compact, metadata, compress, witness)
    with written_whole(path, durable=True) as file:
        write_archive(file, members, compress=compress)


def _members(model, compact, metadata, compress, witness):
    """Name and content of each member of the file."""
    foreign = ForeignParts()
    foreign.encoder = encoder = Encoder(foreign, mapped=not compress)
    document = {"format": FORMAT, "min_reader": FORMAT, "writer": sklearn_prune.__version__}
    document["model"] = encoder(compact)
    if encoder.shared:
        document["shared"] = encoder.shared
    document |= foreign.header()
    members = [(f"{k}.npy", npy(array)) for k, array in enumerate(encoder.arrays)]
    if foreign.parts:
        try:
            members.append((MEMBER, [foreign.content()]))
        except Unstorable as error:
            raise _refused(model, compact, str(error)) from error
    return [("model.json", [dumps(document)]), *members]


def _refused(model, compact, foreign):
    why = why_whole(model, compact)
    if "Write " not in why:
        why += " Use another model, or joblib for files that nobody else can write."
    return TypeError(
        "A model to save must have a compact form, or be one of scikit-learn's whose parts "
        f"are numbers and texts. Got {type(model).__name__}, which holds {foreign}. "
        f"{why.strip()}"
    )
