"""What a filesystem's error is called here."""

from __future__ import annotations

import errno

from blocks_core.errors import PathNotFound, StorageFailed


def failure_of(error: Exception, location: str) -> StorageFailed:
    """Return our error for one that a filesystem raised."""
    if isinstance(error, StorageFailed):
        return error
    if isinstance(error, IsADirectoryError):
        return PathNotFound(f"{location} is a folder. Name a file; list_files() shows what is in the folder.")
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return PathNotFound(f"There is no file {location}. Check its path; list_files() shows what there is.")
    return StorageFailed(f"{location}: {_reason(error)}")


def _reason(error: Exception) -> str:
    said = f" ({type(error).__name__}: {error})" if str(error) else f" ({type(error).__name__})"
    if isinstance(error, PermissionError):
        return f"access was refused{said}. Check the permissions and the credentials."
    if isinstance(error, TimeoutError):
        return f"there was no answer in time{said}. Check the address and the network, and try again."
    if isinstance(error, ConnectionError):
        return f"the connection failed{said}. Check the address and the network, and try again."
    if isinstance(error, FileExistsError):
        return f"something else is in the way{said}. Remove it, or choose another path."
    if isinstance(error, NotImplementedError):
        return f"this kind of storage cannot do that{said}. Choose another one, or another operation."
    if isinstance(error, ModuleNotFoundError):
        return f"the package '{error.name}' is not installed{said}: pip install {error.name}."
    number = error.errno if isinstance(error, OSError) else None
    return _OS_REASONS.get(number or 0, "it failed{said}. Look at the cause for details.").format(said=said)


_OS_REASONS = {
    errno.ENOSPC: "no space is left{said}. Make room, or choose another place.",
    errno.EDQUOT: "the quota is used up{said}. Make room, or raise the quota.",
    errno.EROFS: "it is read-only{said}. Mount it for writing, or choose another place.",
    errno.ENAMETOOLONG: "the name is too long{said}. Choose a shorter one.",
    errno.ELOOP: "its links lead in a circle{said}. Mend the links.",
}
