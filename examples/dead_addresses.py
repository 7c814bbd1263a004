"""Follows the event log from where it stopped last time, and keeps a list of addresses that no mail will ever reach."""

import os
import time
from email.message import EmailMessage
from pathlib import Path
from tempfile import mkdtemp

from softbounce import Client, EventsLost

url = os.environ.get("SOFTBOUNCE_URL", f"unix://{Path('var/store.sock').absolute()}")
folder = Path(os.environ.get("STATE_FOLDER") or mkdtemp())


def follow(mail: Client) -> None:
    """Read what is new. A crash between the two writes repeats an event, which does no harm to a list of addresses."""
    place, dead = folder / "cursor", folder / "dead"
    dead.touch()
    cursor = place.read_text() if place.exists() else None
    try:
        for event in mail.events(after=cursor):
            if event.kind == "bounced" and event.suppress:
                print("dead:", event.recipient, "-", event.code, event.text)
                with dead.open("a") as out:
                    out.write(f"{event.recipient}\n")
            elif event.kind == "unsuppressed":  # a site that lost its directory had said so of everybody
                left = [one for one in dead.read_text().splitlines() if one != event.recipient]
                dead.write_text("".join(f"{one}\n" for one in left))
            place.write_text(event.cursor)
    except EventsLost as lost:  # away for longer than [store] keep_events
        place.write_text(lost.resume_after)


with Client(url) as mail:
    message = EmailMessage()
    message["From"] = "shop@example.com"
    message["Subject"] = "Spring sale"
    message.set_content("Everything must go.")
    receipt = mail.send(
        sender="shop@example.com",
        recipients=["reject@example.net", "full@example.net", "ada@example.net"],
        message=message,
        key="spring-sale",
    )
    gone = receipt.envelopes["reject@example.net"]
    while mail.show(gone).state != "bounced":
        time.sleep(0.1)
    follow(mail)
    print("on the list:", *(folder / "dead").read_text().split())
