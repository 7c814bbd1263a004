"""What is taken all the same, and said: mail to many that offers them no way out."""

from __future__ import annotations

from softbounce.client.send.arguments import Checked
from softbounce.message.one_click import lacks_one_click
from softbounce.settings import Settings

__all__ = ["warnings_of"]


def warnings_of(checked: Checked, settings: Settings) -> tuple[str, ...]:
    """A sentence for each thing that large providers will hold against a message."""
    if not settings.is_bulk(checked.stream):
        return ()
    lack = lacks_one_click(checked.prepared.octets)
    if not lack:
        return ()
    return (f"Bulk mail without one-click unsubscribe (RFC 8058): {lack}. Large providers refuse or hide such mail.",)
