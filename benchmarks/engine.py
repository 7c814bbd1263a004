"""What the engine costs a message: MAIL, RCPT, DATA, content and their four replies, pipelined, in microseconds of CPU.

    python benchmarks/engine.py [MESSAGES] [--repeat 5]

Alone, without a socket: the design goal is less than 25 us. Then over one connection to Postfix's smtp-sink, by a plain
blocking socket, beside a bare loop that sends the same octets and counts the lines that come back, understanding
nothing: the CPU of this process a message, and how many a second. The rounds go in turn; told are the medians.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import time
from collections.abc import Callable

from drain import Sink
from softbounce_worker.smtp import Content, Data, Ehlo, Engine, Mail, Quit, Rcpt, stuff

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


def bare(place: socket.socket, messages: int, message: bytes) -> None:
    """The same octets, and nobody who reads the replies."""
    content = stuff(message)

    def ask(octets: bytes, lines: int) -> None:
        place.sendall(octets)
        while lines > 0:
            lines -= place.recv(65536).count(b"\n")

    ask(b"", 1)
    place.sendall(b"EHLO mail.example.com\r\n")
    got = b""
    while b"250 " not in got:
        got += place.recv(65536)
    head = b"MAIL FROM:<sender@example.com> SIZE=%d BODY=8BITMIME\r\nRCPT TO:<user%d@example.net>\r\nDATA\r\n"
    for number in range(messages):
        ask(head % (len(message), number), 3)
        ask(content, 1)
    ask(b"QUIT\r\n", 1)


def by_engine(place: socket.socket, messages: int, message: bytes) -> None:
    """By the engine: each reply read, checked and given to its command."""
    content = stuff(message)
    engine = Engine("mail.example.com")

    def ask(octets: bytes, answers: int) -> None:
        place.sendall(octets)
        while answers > 0:
            answers -= len(engine.feed(place.recv(65536)))

    ask(b"", 1)
    ask(engine.send(Ehlo()), 1)
    for number in range(messages):
        sender = Mail("sender@example.com", size=len(message), eight_bit=True)
        ask(engine.send(sender) + engine.send(Rcpt(f"user{number}@example.net")) + engine.send(Data()), 3)
        ask(engine.send(Content(content)), 1)
    ask(engine.send(Quit()), 1)


def at_a_sink(speak: Callable[[socket.socket, int, bytes], None], messages: int) -> tuple[float, float]:
    """Microseconds of CPU a message, and messages a second."""
    message = HEADER + BODY_LINE * (2_000 // len(BODY_LINE))
    with Sink() as sink, socket.create_connection(("127.0.0.1", sink.port)) as place:
        began, cpu = time.perf_counter(), time.process_time()
        speak(place, messages, message)
        cpu, elapsed = time.process_time() - cpu, time.perf_counter() - began
        time.sleep(1.1)  # it counts once a second
        if sink.messages != messages:
            raise SystemExit(f"the sink took {sink.messages} of {messages}")
    return cpu / messages * 1e6, messages / elapsed


def main() -> None:
    """Print one line a message size, and one for each way to speak to a sink."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("messages", type=int, nargs="?", default=20_000)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    for octets in (1_000, 10_000, 100_000):
        message = HEADER + BODY_LINE * (octets // len(BODY_LINE))
        print(f"{octets:>7} octets: {measure(arguments.messages, message):6.1f} us a message")
    ways = {"a bare loop": bare, "the engine": by_engine}
    rounds = {name: [] for name in ways}  # type: dict[str, list[tuple[float, float]]]
    for _ in range(arguments.repeat):
        for name, speak in ways.items():
            rounds[name].append(at_a_sink(speak, arguments.messages))
    for name, taken in rounds.items():
        cpu, pace = (statistics.median(one[number] for one in taken) for number in (0, 1))
        print(f"{name:>14}: {cpu:6.1f} us a message, {pace:6.0f} a second over one connection")


if __name__ == "__main__":
    main()
