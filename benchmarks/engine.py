"""What the engine costs a message: MAIL, RCPT, DATA, content and their four replies, pipelined, in microseconds of CPU.

Run ``python benchmarks/engine.py [messages]``. No socket is involved; the design goal is less than 25 us.
"""

from __future__ import annotations

import sys
import time

from softbounce_worker.smtp import Content, Data, Ehlo, Engine, Mail, Rcpt, stuff

HEADER = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: x\r\n\r\n"
BODY_LINE = b"The quick brown fox jumps over the lazy dog, seventy octets wide.\r\n"
GROUPS = (
    b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n",
    b"250 2.0.0 Ok: queued as %08X\r\n",
)


def session() -> Engine:
    """An engine that greeted a host with PIPELINING."""
    engine = Engine("mail.example.com")
    engine.feed(b"220 mx.example.net ESMTP\r\n")
    engine.send(Ehlo())
    engine.feed(b"250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 26214400\r\n250 8BITMIME\r\n")
    return engine


def measure(messages: int, message: bytes) -> float:
    """Microseconds of CPU a message, the stuffing not counted: it is done once for all recipients."""
    engine = session()
    content = stuff(message)
    accepted, queued = GROUPS
    answers = 0
    start = time.process_time()
    for number in range(messages):
        sender = Mail("sender@example.com", size=len(message), eight_bit=True)
        group = engine.send(sender) + engine.send(Rcpt(f"user{number}@example.net")) + engine.send(Data())
        answers += len(engine.feed(accepted)) + bool(group)
        engine.send(Content(content))
        answers += len(engine.feed(queued % number))
    elapsed = time.process_time() - start
    if answers != 5 * messages:
        raise SystemExit("the engine lost an answer")
    return elapsed / messages * 1e6


def main() -> None:
    """Print one line a message size."""
    messages = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    for octets in (1_000, 10_000, 100_000):
        message = HEADER + BODY_LINE * (octets // len(BODY_LINE))
        print(f"{octets:>7} octets: {measure(messages, message):6.1f} us a message")


if __name__ == "__main__":
    main()
