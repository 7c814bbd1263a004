"""Dramatiq actors that mail. In production, with a broker of yours: dramatiq dramatiq_tasks.

softbounce retries the mail; dramatiq retries only the handing over, with the job's id as the key: so it is sent once.
"""

import os
from email.message import EmailMessage
from pathlib import Path

import dramatiq
from dramatiq.brokers.stub import StubBroker
from dramatiq.middleware import CurrentMessage

from softbounce import Client

broker = StubBroker(middleware=[CurrentMessage(), *(one() for one in dramatiq.middleware.default_middleware)])
dramatiq.set_broker(broker)
mail = Client(os.environ.get("SOFTBOUNCE_URL", f"unix://{Path('var/store.sock').absolute()}"))


@dramatiq.actor(max_retries=10)
def welcome(address: str) -> None:
    message = EmailMessage()
    message["From"] = "hello@example.com"
    message["To"] = address
    message["Subject"] = "Welcome"
    message.set_content("Good to have you.")
    job = CurrentMessage.get_current_message()
    mail.send(sender="hello@example.com", recipients=[address], message=message, stream="welcome", key=job.message_id)


if __name__ == "__main__":
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
    worker.start()
    for name in ("ada", "bob", "full"):
        welcome.send(f"{name}@example.net")
    broker.join(welcome.queue_name, timeout=20_000)
    worker.stop()
    print(mail.queue(stream="welcome").states)
