"""The table of the outbox as Django migrates it: the same that SQLAlchemy makes, where its columns are explained."""

from __future__ import annotations

from django.db import models

__all__ = ["OutboxRow"]


class OutboxRow(models.Model):
    """A message that was added in a transaction of the app."""

    id = models.BigAutoField(primary_key=True)
    send_key = models.CharField(max_length=256)
    state = models.SmallIntegerField(default=0)
    due_ms = models.BigIntegerField(default=0)
    claim = models.CharField(max_length=32, default="")
    claimed_ms = models.BigIntegerField(default=0)
    tries = models.IntegerField(default=0)
    arguments = models.TextField()
    message = models.BinaryField()
    told = models.TextField(default="")

    class Meta:
        """Its names in the database."""

        app_label = "softbounce_outbox"
        db_table = "softbounce_outbox"
        indexes = (
            models.Index(fields=["state", "due_ms", "id"], name="softbounce_outbox_due"),
            models.Index(fields=["send_key"], name="softbounce_outbox_key"),
        )

    def __str__(self) -> str:
        return f"{self.send_key} ({('waits', 'sent', 'set aside')[self.state]})"
