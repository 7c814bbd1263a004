"""Sends one message to three people, and prints what became of it."""

import os

from softbounce import Client

people = ["ada@example.net", "full@example.net", "reject@example.net"]
with Client(os.environ["SOFTBOUNCE_URL"]) as mail:
    sent = mail.send(sender="app@example.com", recipients=people, message=b"Subject: Hi\n\nHello!\n", key="hello-1")
    told = (one for one in mail.events(follow=True) if one.message_id == sent.message_id and one.kind != "accepted")
    for _, event in zip(people, told, strict=False):
        print(event.recipient, event.kind, event.code, event.text)
