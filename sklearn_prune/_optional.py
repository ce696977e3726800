"""Optional dependencies, asked for in the moment they are needed."""

from functools import cache
from importlib import import_module


def import_or_raise(module, feature, *, extra):
    """Import a module, or raise ImportError that names the extra to install."""
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
