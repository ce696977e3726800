"""Optional dependencies, asked for in the moment they are needed."""

from functools import cache
from importlib import import_module


def import_or_raise(module, feature, *, extra):
    """Import `module`, or say which ``pip install`` makes `feature` work.

    Parameters
    ----------
    module : str
        Name of the module to import.
    feature : str
        What needs it, as the subject of the error message.
    extra : str
        The extra of this package that brings the module.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    ImportError
        If the module is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise ImportError(
            f"{feature} needs {library}, which is not installed. "
            f'Type: pip install "sklearn-prune[{extra}]"',
            name=library,
        ) from error


@cache
def has(module):
    """Whether a module can be imported."""
    try:
        import_module(module)
    except ImportError:
        return False
    return True
