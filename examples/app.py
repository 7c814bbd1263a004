"""Sends a receipt to three people, and says what became of it."""

import os
from email.message import EmailMessage
from pathlib import Path

from softbounce import Client

url = os.environ.get("SOFTBOUNCE_URL", f"unix://{Path('var/store.sock').absolute()}")
people = ["ada@example.net", "full@example.org", "reject@example.org"]
message = EmailMessage()
message["From"] = "shop@example.com"
message["Subject"] = "Your order 1042"
message.set_content("Thank you! It is on its way.")

with Client(url) as mail:
    receipt = mail.send(
        sender="shop@example.com", recipients=people, message=message, stream="receipts", key="order-1042"
    )
    waiting = set(receipt.envelopes.values())  # an envelope is one message to one recipient
    for event in mail.events(follow=True):
        if event.id in waiting and event.kind != "accepted":
            waiting.remove(event.id)
            print(event.recipient, event.kind, event.code, event.text)
        if not waiting:
            break
