"""What is said on a connection: noted at hardly any cost, and made a transcript of where an attempt keeps one."""

from __future__ import annotations

from softbounce_worker.transcript.recorder import Notes, Recorder, recording
from softbounce_worker.transcript.talk import packed

__all__ = ["Notes", "Recorder", "packed", "recording"]
