"""What ``explain`` says of an envelope: what is asked of the store, the facts that follow from it, and the words."""

from __future__ import annotations

from softbounce.client.explain.asking import explain

__all__ = ["explain"]
