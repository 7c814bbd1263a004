"""The app's receiver of webhooks: writes down the cursor of each event that it is told, and now and then takes none.

``python -m torture.receiver --port N --log FILE``. Killed at any moment, it has written down what it answered for.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import random
from typing import ClassVar

__all__ = ["main"]

NOT_TAKEN = 0.03
"""Of the requests so many are answered by a 500, half of them though the event was written down."""


class Receiving(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    file: ClassVar[int]

    def handle(self) -> None:
        """All requests of a connection."""
        with suppress(ConnectionError):  # who tells was killed
            super().handle()

    def do_POST(self) -> None:
        """Write it down, then answer."""
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:  # who tells was killed while it told
            self.close_connection = True
            return
        chance = random()  # noqa: S311
        if chance >= NOT_TAKEN / 2:
            event = json.loads(body)["data"]
            os.write(self.file, f"{event['cursor']} {event['id'] or '-'}\n".encode())
        self.send_response(HTTPStatus.INTERNAL_SERVER_ERROR if chance < NOT_TAKEN else HTTPStatus.NO_CONTENT)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> int:
    """Run it until it is ended."""
    parser = argparse.ArgumentParser(prog="python -m torture.receiver", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    Receiving.file = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with ThreadingHTTPServer(("127.0.0.1", options.port), Receiving) as server:
        print("ready", flush=True)  # noqa: T201 - what the house waits for
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
