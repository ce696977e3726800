"""What all commands share: arguments, errors of one line, texts that are safe to print."""

import argparse
import os
import sys
import traceback
import warnings
from contextlib import contextmanager, suppress
from math import isfinite

_CHUNK = 1 << 20


class CommandError(Exception):
    """Ends a command with an error of one line and the exit status 2."""


class Parser(argparse.ArgumentParser):
    """Arguments of a command; wrong ones are a CommandError."""

    def __init__(self, **options):
        options["formatter_class"] = argparse.RawDescriptionHelpFormatter
        super().__init__(allow_abbrev=False, **options)

    def error(self, message):
        raise CommandError(f"{message}. Type: {self.prog} --help")


def run(parser, argv=None):
    """Run the command that the arguments name.

    Returns
    -------
    int
        The exit status: 0, 1 where a check fails, 2 for wrong arguments and for files
        that cannot be read, 130 and 141 where the command was interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _warner(parser.prog)
                arguments = parser.parse_args(argv)
                return arguments.run(arguments)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe is gone: nothing else can be said
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        say(f"{parser.prog}: error: {_reason(error)}", file=sys.stderr)
        return 2


def _reason(error):
    """What an error says, on one line."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, CommandError | ImportError | OSError | TypeError | ValueError):
        return text or type(error).__name__
    if isinstance(error, MemoryError):
        return "not enough memory"
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(place.filename)}, line {place.lineno}"
    return f"{type(error).__name__}: {text} ({where})"


def _warner(prog):
    def show(message, category, filename, lineno, file=None, line=None):
        say(f"{prog}: warning: {' '.join(str(message).split())}", file=sys.stderr)

    return show


def say(text, *, file=None):
    """Print one line. What a terminal would obey is printed as escapes."""
    print(escaped(text), file=file)


def escaped(text):
    """The text on one line; characters that are not printable are written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text
    )


def plain(value):
    """A value as JSON holds it; numbers that are not finite become texts."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value if isinstance(value, float | int | str | None) else str(value)


@contextmanager
def progress(what, total=None):
    """A progress bar, if stderr is a terminal and rich is installed.

    Gives a function that is called with the number of bytes that were done. Without
    `total` the bar shows that the program is running.
    """
    try:
        if not sys.stderr.isatty():
            raise ImportError
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ImportError:
        yield lambda n_bytes: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn())
    bar = Progress(
        *columns,
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    )
    with bar:
        task = bar.add_task(escaped(what), total=total)
        yield lambda n_bytes: bar.advance(task, n_bytes)


def sha256_of_path(path):
    """The SHA-256 of a file, in hexadecimal, and its number of bytes."""
    from hashlib import sha256

    sums, n_bytes = sha256(), 0
    with open(path, "rb") as file, progress(f"Reading {path}", os.path.getsize(path)) as on:
        while chunk := file.read(_CHUNK):
            sums.update(chunk)
            n_bytes += len(chunk)
            on(len(chunk))
    return sums.hexdigest(), n_bytes
