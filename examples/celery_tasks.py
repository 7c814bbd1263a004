"""Celery tasks that mail. In production, with a broker of yours: celery -A celery_tasks worker.

softbounce retries the mail; Celery retries only the handing over, with the task's id as the key: so it is sent once.
"""

import os
from email.message import EmailMessage
from pathlib import Path

from celery import Celery, Task
from celery.contrib.testing.worker import start_worker

from softbounce import Client, StoreUnavailable, StoreUncertain

app = Celery("celery_tasks", broker="memory://", backend="cache+memory://")
mail = Client(os.environ.get("SOFTBOUNCE_URL", f"unix://{Path('var/store.sock').absolute()}"))  # may be forked


@app.task(bind=True, autoretry_for=(StoreUnavailable, StoreUncertain), retry_backoff=True, max_retries=None)
def send_report(self: Task, address: str, month: str) -> str:
    message = EmailMessage()
    message["From"] = "reports@example.com"
    message["To"] = address
    message["Subject"] = f"Your report for {month}"
    message.set_content("It is attached.")
    message.add_attachment(b"%PDF-1.7 ...", maintype="application", subtype="pdf", filename=f"{month}.pdf")
    receipt = mail.send(
        sender="reports@example.com", recipients=[address], message=message, stream="reports", key=self.request.id
    )
    return receipt.envelopes[address]


if __name__ == "__main__":
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="error"):
        envelope = send_report.delay("ada@example.net", "2026-01").get(timeout=20)
    print(envelope, mail.show(envelope).stream)
