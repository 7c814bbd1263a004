"""By which token this process owns receivers: that of the one before it here, whose end so costs no time.

The token is in a file of the data folder, which is locked for as long as the process lives: two at a time never have
the same one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from softbounce.private_files import make_private_folder, open_private

__all__ = ["own_token"]

FILE = "webhooks.owner"
TOKEN_OCTETS = 8


def own_token(folder: Path) -> bytes:
    """The token; the file stays open, and so locked, until the process ends."""
    try:
        make_private_folder(folder)
        file = open_private(folder / FILE, os.O_RDWR)
    except OSError:
        return secrets.token_bytes(TOKEN_OCTETS)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        token = os.pread(file, TOKEN_OCTETS, 0)
        if len(token) < TOKEN_OCTETS or not any(token):
            token = secrets.token_bytes(TOKEN_OCTETS)
            os.pwrite(file, token, 0)
    except OSError:  # another process has it, or the disk is full
        os.close(file)
        return secrets.token_bytes(TOKEN_OCTETS)
    return token
