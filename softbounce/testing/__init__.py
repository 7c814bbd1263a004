"""For tests of an app that sends by softbounce: a real service, whose mail goes to a playground, and its outbox.

The pytest plugin (:mod:`softbounce.testing.plugin`) has the fixture ``softbounce_service``. Without pytest::

    from softbounce.testing import TestService

    with TestService() as service:
        send_welcome(url=service.url)
        service.outbox.was_sent_to("ada@example.net", subject="Welcome").was_delivered()

It needs what runs the service: ``pip install 'softbounce[testing]'``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softbounce.testing.outbox import Outbox, Sent
    from softbounce.testing.service import ServiceFailed, TestService

__all__ = ["Outbox", "Sent", "ServiceFailed", "TestService"]
HOMES = {"Outbox": "outbox", "Sent": "outbox", "ServiceFailed": "service", "TestService": "service"}


def __getattr__(name: str) -> object:
    """When somebody asks: the plugin is loaded by every pytest where softbounce is installed."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{HOMES[name]}"), name)
    globals()[name] = found
    return found
