"""A file that is being written beside its place: the server removes it when it is closed before it has its name.

So nothing is left of what was not finished, whether this program, this machine or the way to the server ends.

Source:  [MS-FSCC] 2.4.11 (FileDispositionInformation), 2.4.42 (FileRenameInformation for SMB2).
"""

# smbclient and smbprotocol have types for some of their functions only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import smbclient
from smbprotocol.exceptions import SMBResponseException
from smbprotocol.file_info import FileDispositionInformation, FileRenameInformation
from smbprotocol.open import FilePipePrinterAccessMask, SMB2SetInfoRequest

from blocks_smb.connections import PATIENCE_SECONDS, status_of, wait_a_little
from blocks_smb.reasons import ACCESS_DENIED, OPEN_ELSEWHERE

_ACCESS = (
    FilePipePrinterAccessMask.FILE_WRITE_DATA
    | FilePipePrinterAccessMask.FILE_READ_ATTRIBUTES
    | FilePipePrinterAccessMask.FILE_WRITE_ATTRIBUTES
    | FilePipePrinterAccessMask.DELETE
)


class Part:
    """A file without a name of its own."""

    def __init__(self, place: str, options: dict[str, Any]) -> None:
        """Make it at a place where nothing is, and that none will look at."""
        opener: Any = smbclient.open_file  # its types tell modes apart that are one here
        self._file = opener(place, "xb", buffering=0, desired_access=_ACCESS, **options)
        try:
            self._send(self._removal(True))
        except BaseException:
            self.close()
            raise

    def write(self, data: Any) -> None:
        """Write bytes."""
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]  # a server takes as much as it has given leave for

    def finish(self, name: str) -> None:
        """Give it its name, in place of what has it now, when the server's disk has all of it; then close it.

        Where somebody has the old file open, wait for a while.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        self._file.flush()
        while True:
            try:
                self._send(self._removal(False), self._renaming(name))
                break
            except SMBResponseException as error:
                self._send(self._removal(True))
                if status_of(error) not in {ACCESS_DENIED, *OPEN_ELSEWHERE} or time.monotonic() > until:
                    raise
            wait_a_little()
        self._file.close()

    def close(self) -> None:
        """Let it go, and with it what was not finished."""
        with suppress(Exception):  # the server closes what it hears no more of
            self._file.close()

    def _removal(self, removed: bool) -> FileDispositionInformation:
        information = FileDispositionInformation()
        information["delete_pending"] = removed
        return information

    def _renaming(self, name: str) -> FileRenameInformation:
        opened = self._file.fd
        folder, slash, _ = str(opened.file_name).rpartition("\\")
        above = f"{opened.tree_connect.share_name[2:]}\\"
        if opened.tree_connect.is_dfs_share and folder.startswith(above):
            folder = folder[len(above) :]  # a path through DFS has the share in it, a new name has not
        information = FileRenameInformation()
        information["replace_if_exists"] = True
        information["file_name"] = f"{folder}{slash}{name}"
        return information

    def _send(self, *informations: Any) -> None:
        """Send changes in one packet, and wait for all answers.

        Raises:  SMBResponseException: the first one that was refused.
        """
        opened, messages = self._file.fd, list[Any]()
        for information in informations:
            message = SMB2SetInfoRequest()
            message["info_type"] = information.INFO_TYPE
            message["file_info_class"] = information.INFO_CLASS
            message["file_id"] = opened.file_id
            message["buffer"] = information
            messages.append(message)
        session = opened.tree_connect.session
        sent = opened.connection.send_compound(
            messages, session.session_id, opened.tree_connect.tree_connect_id
        )
        refused: SMBResponseException | None = None
        for request in sent:
            try:
                opened.connection.receive(request)
            except SMBResponseException as error:
                refused = refused or error
        if refused:
            raise refused
