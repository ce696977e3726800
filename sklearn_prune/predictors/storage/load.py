"""Load a predictor from a file that `save` wrote."""

import os

from ..base import LoadError
from .archive import FIRST, Archive, not_ours, sha256_of
from .decode import _PARTS, Decoder, parse
from .forms import FORMAT, PACKAGE, elsewhere, registered_checks


class LoadOptions:
    """What the caller of `load` allows."""

    def __init__(self, max_bytes, mmap_mode, functions, forms, modules):
        self.max_bytes = max_bytes
        self.mmap_mode = mmap_mode
        self.functions = functions
        self.forms = forms
        self.modules = modules
        self.checks = registered_checks()

    def check(self, form):
        """Call the checks that registered families have for the class of a form."""
        for cls, check in self.checks.items():
            if isinstance(form, cls):
                check(form)


def load(
    path,
    *,
    max_bytes=2**30,
    sha256=None,
    mmap_mode=None,
    verify=False,
    modules=(),
    functions=None,
    forms=(),
):
    """Load what `sklearn_prune.persistence.save` wrote.

    No code of the file runs. The file holds short words for forms of predictors, numbers,
    texts and arrays. All of them are checked before anything is made of them.

    Parameters
    ----------
    path : str or PathLike
        The file. Its content is looked at, not its suffix.
    max_bytes : int, default=2**30
        What the file may unpack to; nothing is unpacked if it claims more.
    sha256 : str or None, default=None
        The SHA-256 of the whole file, in hexadecimal, from another source. The file is
        refused if it has another one.
    mmap_mode : {"r", "c"} or None, default=None
        Map the arrays of a file that was saved with ``compress=False`` instead of reading
        them. What would read all of them is then left out: the SHA-256 inside the file is
        not compared, and positions in trees are not checked. Map only files that nobody
        else can write.
    verify : bool, default=False
        Whether to predict the witness rows of the file and compare the answers with those
        of the model that was saved. Another label is an error. `verification_` of the
        result says how far scores are apart, in units in the last place (ulp).
    modules : sequence of torch.nn.Module classes, default=()
        Classes that skorch nets in the file may be made of. Their constructors are called
        with the numbers and texts of the file.
    functions : dict of str to callable, default=None
        The functions of `FunctionTransformer` steps, by the names that the file has for
        them.
    forms : sequence of classes, default=()
        Predictors from outside this package that the file may hold. Their attributes are
        set to numbers, texts and arrays of the file.

    Returns
    -------
    predictor or transformer
        Predicts, or transforms, as what was saved. What `save` got as `metadata` is its
        `metadata_`.

    Raises
    ------
    LoadError
        If the file is damaged, too large, of a newer format, holds forms that are not
        known here, or answers otherwise than the saved model. It is a ValueError.
    FileNotFoundError
        If there is no such file.
    ImportError
        If the file has parts that have no form of this package, and skops is not
        installed.

    See Also
    --------
    sklearn_prune.persistence.save : Writes the file.

    Notes
    -----
    numpy is all that is imported for parts that have a form of this package. The SHA-256
    inside the file detects damage. It does not say who wrote the file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_prune.persistence import save
    >>> from sklearn_prune.predictors import load
    >>> tree = DecisionTreeClassifier().fit([[0.0], [1.0]], ["a", "b"])
    >>> with TemporaryDirectory() as folder:
    ...     save(tree, f"{folder}/tree.skprune")
    ...     loaded = load(f"{folder}/tree.skprune")
    >>> loaded.predict([[0.2], [0.7]]).tolist()
    ['a', 'b']
    """
    path = checked_path(path)
    options = _checked_options(max_bytes, mmap_mode, modules, functions, forms)
    with open(path, "rb") as file:
        if sha256 is not None:
            _compare(sha256_of(file), sha256, path)
        try:
            model, witness, has_parts = _read(file, path, options)
            if verify:
                from .witness import compared

                model.verification_ = compared(model, witness, path, frames=has_parts)
        except (LoadError, ImportError):
            raise
        except Exception as error:
            raise not_ours(path, f"{type(error).__name__}: {str(error)[:200]}") from error
    return model


load.__module__ = PACKAGE
_KEYS = {"format", "min_reader", "writer", "model", "shared", "metadata", "witness"}
_KEYS |= {"functions", "inside", "libraries"}


def _read(file, path, options):
    archive = Archive(file, path, options.max_bytes, trusted=options.mmap_mode is not None)
    most = min(_PARTS, max(options.max_bytes // 64, 1000))
    document, n_parts = parse(archive.read(FIRST), path, most)
    check_header(document, path)
    for name in document.get("functions", ()):
        if name not in options.functions:
            raise LoadError(
                f"The file {path} needs the function {name!r}. Got functions="
                f"{sorted(options.functions)}. Write load(path, functions="
                f"{{{name!r}: {name}}})."
            )
    foreign = None
    if "parts.skops" in archive.places:
        foreign = elsewhere("parts").reader(archive, document, options)
    decoder = Decoder(archive, document, n_parts, options, foreign)
    model = decoder(document["model"])
    if type(model).__module__ in ("builtins", "numpy"):
        raise not_ours(path, f"it holds a {type(model).__name__} in place of a model")
    witness = decoder(document.get("witness"))
    unread = archive.places.keys() - decoder.names_read() - {FIRST, "parts.skops"}
    if unread:
        raise not_ours(path, f"it reads nothing of its member {min(unread)}")
    if document.get("metadata") is not None:
        model.metadata_ = document["metadata"]
    return model, witness, foreign is not None


def check_header(document, path):
    numbers = ("format", "min_reader")
    if not isinstance(document, dict) or not all(
        type(document.get(name)) is int for name in numbers
    ):
        raise not_ours(path, f"{FIRST} names no format")
    if document["min_reader"] > FORMAT:
        raise LoadError(
            f"A file to load must be readable by format {FORMAT}. Got {path}, of format "
            f"{document['format']}, written by sklearn-prune {document.get('writer')}. "
            "Upgrade sklearn-prune."
        )
    unknown = sorted(document.keys() - _KEYS)
    if "model" not in document or unknown:
        raise not_ours(path, f"{FIRST} has the keys {sorted(document)[:9]}")
    if type(document.get("functions", [])) is not list:
        raise not_ours(path, f"{FIRST} lists no functions")


def checked_path(path):
    """The path of a file as a text; raise unless it is one."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(
            f"path must be a str or PathLike. Got {type(path).__name__}. Write the name of "
            "a file, such as 'model.skprune'."
        )
    text = os.fspath(path)
    if not text or "\0" in text or os.path.isdir(text):
        raise ValueError(
            f"path must name a file. Got {text!r}. Write the name of a file, such as "
            "'model.skprune'."
        )
    return text


def _checked_options(max_bytes, mmap_mode, modules, functions, forms):
    if isinstance(max_bytes, bool) or not hasattr(max_bytes, "__index__") or max_bytes < 1:
        raise ValueError(
            f"max_bytes must be a positive int. Got {max_bytes!r}. Write max_bytes=2**30."
        )
    if mmap_mode not in (None, "r", "c"):
        raise ValueError(
            f'mmap_mode must be "r", "c" or None. Got {mmap_mode!r}. Write mmap_mode="r".'
        )
    functions = {} if functions is None else functions
    if not isinstance(functions, dict) or not all(map(callable, functions.values())):
        raise TypeError(
            f"functions must be a dict of names and functions. Got {functions!r}. Write "
            'functions={"name": function}.'
        )
    modules = _checked_classes("modules", modules, "torch.nn.Module classes", "MyModule")
    forms = _checked_classes("forms", forms, "classes of predictors", "MyPredictor")
    return LoadOptions(int(max_bytes), mmap_mode, functions, forms, modules)


def _checked_classes(name, classes, kind, example):
    several = isinstance(classes, list | tuple | set | frozenset)
    if not several or not all(isinstance(each, type) for each in classes):
        raise TypeError(
            f"{name} must be a sequence of {kind}. Got {classes!r}. Write "
            f"{name}=[{example}]."
        )
    return tuple(classes)


def _compare(found, given, path):
    if not isinstance(given, str) or found != given.lower():
        raise LoadError(
            f"The file must have the SHA-256 sha256={given!r}. Got {path} with {found!r}. "
            "Get the file again, or pass the value that belongs to it."
        )
