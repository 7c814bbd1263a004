"""One attempt after another: route, dial, talk, conclude. dramatiq's actors stand at its border only."""

from __future__ import annotations

import os

os.environ.setdefault("dramatiq_queue_prefetch", "1")  # dramatiq reads it when it is imported
