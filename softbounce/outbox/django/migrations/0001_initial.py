"""Makes the table of the outbox."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Makes it."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="OutboxRow",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("send_key", models.CharField(max_length=256)),
                ("state", models.SmallIntegerField(default=0)),
                ("due_ms", models.BigIntegerField(default=0)),
                ("claim", models.CharField(default="", max_length=32)),
                ("claimed_ms", models.BigIntegerField(default=0)),
                ("tries", models.IntegerField(default=0)),
                ("arguments", models.TextField()),
                ("message", models.BinaryField()),
                ("told", models.TextField(default="")),
            ],
            options={
                "db_table": "softbounce_outbox",
                "indexes": [
                    models.Index(fields=["state", "due_ms", "id"], name="softbounce_outbox_due"),
                    models.Index(fields=["send_key"], name="softbounce_outbox_key"),
                ],
            },
        ),
    ]
