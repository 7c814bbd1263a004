"""Accept messages, all different, spread evenly over domains; run inside a container.

Arguments: the name of the batch, how many messages, how many domains.

The recipients are ``BATCH-NUMBER@slow500.BATCH-DOMAIN.test``: hosts that take 500 ms for each reply.
"""

import os
import sys

from softbounce import Client, Outgoing

BATCH = 250

batch, messages, domains = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sends: list[Outgoing] = [
    {
        "sender": "app@example.com",
        "recipients": [f"{batch}-{number}@slow500.{batch}-{number % domains}.test"],
        "message": f"From: app@example.com\r\nSubject: {batch} {number}\r\n\r\nNumber {number}.\r\n".encode(),
        "key": f"{batch}-{number}",
    }
    for number in range(messages)
]
with Client(os.environ["SOFTBOUNCE__STORE__URL"]) as mail:
    receipts = [
        receipt for start in range(0, messages, BATCH) for receipt in mail.send_many(sends[start : start + BATCH])
    ]
print(sum(len(receipt.envelopes) for receipt in receipts))  # noqa: T201 - a program that prints
