"""Which envelopes a request asks for."""

from __future__ import annotations

from softbounce.client import Filters
from softbounce_gateway.http.models import QueueQuery
from softbounce_gateway.name_value import read_pairs

__all__ = ["filters_of"]


def filters_of(asked: QueueQuery) -> Filters:
    """As the client takes them.

    :raises InvalidArgument: what is asked of metadata is no pair.
    """
    return Filters(
        site=asked.site,
        domain=asked.domain,
        recipient=asked.recipient,
        sender=asked.sender,
        stream=asked.stream,
        tenant=asked.tenant,
        tag=asked.tag,
        metadata=read_pairs(asked.meta, "meta"),
        state=asked.state,
        held_for=asked.held_for,
        older=asked.older,
        younger=asked.younger,
        reply=asked.reply,
    )
