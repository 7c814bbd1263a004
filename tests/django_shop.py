"""A project of Django with an outbox, laid out in a folder as ``startproject`` and ``startapp`` do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import make_url

__all__ = ["DjangoShop"]

MANAGE = """
import os, sys
from django.core.management import execute_from_command_line
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
execute_from_command_line(sys.argv)
"""
SETTINGS = """
SECRET_KEY = "for tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["shop", "softbounce.outbox.django"]
DATABASES = {{"default": {database!r}}}
SOFTBOUNCE_URL = {store!r}
"""
MODELS = """
from django.db import models

class Order(models.Model):
    number = models.IntegerField(unique=True)
"""
ORDERS = """
import logging
from django.db import IntegrityError, connection, transaction
from outboxes import letter
from shop.models import Order
from softbounce import Client, InvalidMessage, outbox

def order(number, fails=False, **more):
    try:
        with transaction.atomic():
            Order.objects.create(number=number)
            outbox.add(connection, **{**letter(number), **more})
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
"""
TESTS = """
from django.db import connection, connections, transaction
from django.test import TestCase, TransactionTestCase
from outboxes import letter
from shop.models import Order
from shop.orders import order
from softbounce import InvalidArgument, InvalidMessage, outbox
from softbounce.outbox.django.models import OutboxRow

class Sent:
    def __init__(self): self.sent = []
    def send(self, **arguments): self.sent.append(arguments["key"])

class Shop(TestCase):
    def test_an_order_has_its_letter(self):
        order(1, key="order-1")
        order(2, fails=True)
        self.assertEqual([row.send_key for row in OutboxRow.objects.all()], ["order-1"])
        self.assertEqual(str(OutboxRow.objects.get()), "order-1 (waits)")

    def test_what_is_wrong_is_said_at_once(self):
        with transaction.atomic():
            with self.assertRaises(InvalidMessage):
                outbox.add(connection, **{**letter(1), "stream": "No Stream"})
            outbox.add(connections["default"], **letter(1))
        self.assertEqual(OutboxRow.objects.count(), 1)

    def test_on_commit(self):
        mail = Sent()
        with self.captureOnCommitCallbacks(execute=True):
            outbox.send_on_commit(connection, mail, **letter(1), key="order-1")
            self.assertEqual(mail.sent, [])
        self.assertEqual(mail.sent, ["order-1"])

class ForReal(TransactionTestCase):
    def test_on_commit_behind_the_outermost_block(self):
        mail = Sent()
        with transaction.atomic():
            outbox.send_on_commit(connection, mail, **letter(1), key="order-1")
            try:
                with transaction.atomic():
                    outbox.send_on_commit(connection, mail, **letter(2), key="order-2")
                    raise ZeroDivisionError
            except ZeroDivisionError:
                pass
            with transaction.atomic():
                outbox.send_on_commit(connection, mail, **letter(3), key="order-3")
            self.assertEqual(mail.sent, [])
        self.assertEqual(mail.sent, ["order-1", "order-3"])

    def test_a_fault_of_one_callback_is_no_others(self):
        mail = Sent()
        with self.assertLogs("django.db.backends.base", "ERROR"), transaction.atomic():
            outbox.send_on_commit(connection, None, **letter(1))
            outbox.send_on_commit(connection, mail, **letter(2), key="order-2")
        self.assertEqual(mail.sent, ["order-2"])
"""


class DjangoShop:
    """The project; its commands are run as processes.

    :param url: of its database, as SQLAlchemy has it.
    :param store: the URL of softbounce's store.
    """

    def __init__(self, folder: Path, url: str, store: str) -> None:
        self.folder = folder
        address = make_url(url)
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": address.database}
        if address.get_backend_name() == "postgresql":
            host = address.query["host"]
            database = {"ENGINE": "django.db.backends.postgresql", "NAME": address.database, "USER": address.username}
            database |= {"HOST": host if isinstance(host, str) else host[0]}
        (folder / "shop").mkdir()
        for name, content in {
            "manage.py": MANAGE,
            "settings.py": SETTINGS.format(database=database, store=store),
            "shop/__init__.py": "",
            "shop/models.py": MODELS,
            "shop/orders.py": ORDERS,
            "shop/tests.py": TESTS,
        }.items():
            (folder / name).write_text(content)

    def manage(self, *arguments: str, code: int = 0) -> str:
        """Run ``manage.py``; what it said. It has to end with that code."""
        done = self.start(*arguments)
        out, _ = done.communicate(timeout=120)
        assert done.returncode == code, out
        return out

    def run(self, lines: str) -> str:
        """Run lines of Python in the project."""
        return self.manage("shell", "-c", f"from shop.orders import *\n{lines}")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``manage.py``."""
        tests = Path(__file__).parent
        return subprocess.Popen(  # noqa: S603 - our own project
            [sys.executable, "-W", "error", "manage.py", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": f"{self.folder}:{tests}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
