"""Sends a newsletter of 500 messages in one call, and watches it leave."""

import os
import time
from email.message import EmailMessage
from pathlib import Path

from softbounce import Client, Outgoing

url = os.environ.get("SOFTBOUNCE_URL", f"unix://{Path('var/store.sock').absolute()}")


def letter(number: int) -> Outgoing:
    """One reader's copy. The key names the issue and the reader, so that a second run sends nothing twice."""
    message = EmailMessage()
    message["From"] = "News <news@example.com>"
    message["To"] = f"reader{number}@example{number % 20}.net"
    message["Subject"] = "Issue 7"
    message.set_content(f"Hello, reader {number}!")
    return {
        "sender": f"bounces+{number}@example.com",
        "recipients": [f"reader{number}@example{number % 20}.net"],
        "message": message,
        "stream": "newsletter",
        "key": f"issue-7-{number}",
    }


with Client(url) as mail:
    receipts = mail.send_many([letter(number) for number in range(500)])
    print(f"{len(receipts)} messages are safely stored")
    while True:
        states = mail.queue(stream="newsletter").states
        print(", ".join(f"{count} {state}" for state, count in states.items() if count))
        if states["delivered"] == len(receipts):
            break
        time.sleep(0.5)
