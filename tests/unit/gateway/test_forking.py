"""The process that starts the others ends in silence when who gave it orders is gone, however it went."""

from __future__ import annotations

import os
import socket

import pytest
from softbounce_gateway.supervise import forking


@pytest.mark.parametrize("unread", [b"", b"an answer that nobody has read"])
def test_who_gave_orders_is_killed(unread: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """With an answer unread the end of the line is an error (ECONNRESET), not an end of file."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if unread:
        theirs.send(unread)
    pid = os.fork()
    if pid == 0:
        ours.close()
        forking.serve(theirs, [])
    theirs.close()
    ours.close()
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert capfd.readouterr().err == ""
