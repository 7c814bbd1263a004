"""The same with Django, in one file: `softbounce.outbox.django` among the installed apps, and its migration."""

import os
from email.message import EmailMessage
from pathlib import Path
from tempfile import mkdtemp

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    INSTALLED_APPS=["softbounce.outbox.django"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{mkdtemp()}/shop.db"}},
    SOFTBOUNCE_URL=os.environ.get("SOFTBOUNCE_URL", f"unix://{Path('var/store.sock').absolute()}"),
)
django.setup()

from django.db import connection, transaction  # noqa: E402 - when there are settings

from softbounce import outbox  # noqa: E402

call_command("migrate", verbosity=0)
message = EmailMessage()
message["From"] = "shop@example.com"
message["Subject"] = "Your order 1042"
message.set_content("Thank you! It is on its way.")

with transaction.atomic():
    # What the app writes into its own tables goes here.
    outbox.add(connection, sender="shop@example.com", recipients=["ada@example.net"], message=message, key="order-1042")
with transaction.atomic():
    outbox.add(connection, sender="shop@example.com", recipients=["bob@example.net"], message=message)
    transaction.set_rollback(True)  # nothing for bob, as where an error leaves the block

call_command("softbounce_relay", once=True)  # in production without --once: it runs until it is told to end
