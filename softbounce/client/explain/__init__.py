"""What ``explain`` says of an envelope: what is asked of the store, the facts that follow from it, and the words."""

from __future__ import annotations

from softbounce.client.explain.asking import explain, find_situation
from softbounce.client.explain.explanation import Paragraph, paragraphs

__all__ = ["Paragraph", "explain", "find_situation", "paragraphs"]
