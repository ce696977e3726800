"""Write a file as a whole."""

import os
import secrets
import stat
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def written_whole(path, *, durable=False):
    """Write a file beside `path`, and rename it to `path` when it is complete.

    Gives the file, open for bytes. A link is followed. With `durable` it waits until the
    file is on the disk. Raises FileNotFoundError if there is no such folder.
    """
    path = Path(os.path.realpath(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"path must lie in a folder that is there. Got {str(path)!r}. Make the folder "
            "first."
        )
    # A name of its own: another process may be writing the same file.
    aside = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(aside, "xb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        with suppress(OSError):  # a file that is replaced keeps who may read it
            os.chmod(aside, stat.S_IMODE(os.stat(path).st_mode))
        os.replace(aside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(aside)
        raise
    if durable:
        _sync_folder(path.parent)


def _sync_folder(folder):
    with suppress(OSError):  # not every system opens folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
