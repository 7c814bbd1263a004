"""The app's side of softbounce: hand over mail, ask what became of it, read the event log.

What a question needs of the store is written once, as flows (:mod:`softbounce.client.flow`); :class:`Client` carries
them out for threads, :class:`AsyncClient` for asyncio. Nothing here reads a file or the environment.
"""

from __future__ import annotations

from softbounce.client.action_book import ShownAction
from softbounce.client.actions import BounceAnswer, CancelAnswer, ChangeAnswer, HoldAnswer, ReleaseAnswer, RetryAnswer
from softbounce.client.async_client import AsyncClient
from softbounce.client.client import Client
from softbounce.client.health import HealthFinding, MachineHealth
from softbounce.client.held_streams import HeldStream
from softbounce.client.lanes import LaneView
from softbounce.client.now.sites import SiteDetail, SiteView
from softbounce.client.now.view import Finding, Now
from softbounce.client.previewing import PreviewedAct
from softbounce.client.probing import ProbeAnswer, ProbedLane
from softbounce.client.queue import Page, QueueCounts, QueueRow
from softbounce.client.resending import ResendAnswer, Resent
from softbounce.client.selection import Filters, Selection
from softbounce.client.send.arguments import Outgoing
from softbounce.client.send.receipt import Receipt
from softbounce.client.shown import (
    Shown,
    ShownAttempt,
    ShownBounce,
    ShownCameBack,
    ShownLine,
    ShownTls,
    ShownTranscript,
)
from softbounce.client.single_acts import BegunAct
from softbounce.client.standing_holds import ShownHold
from softbounce.client.suppressions.listing import SuppressionPage
from softbounce.client.suppressions.values import NewSuppression, Suppression
from softbounce.client.traffic import TrafficPoint

__all__ = [
    "AsyncClient",
    "BegunAct",
    "BounceAnswer",
    "CancelAnswer",
    "ChangeAnswer",
    "Client",
    "Filters",
    "Finding",
    "HealthFinding",
    "HeldStream",
    "HoldAnswer",
    "LaneView",
    "MachineHealth",
    "NewSuppression",
    "Now",
    "Outgoing",
    "Page",
    "PreviewedAct",
    "ProbeAnswer",
    "ProbedLane",
    "QueueCounts",
    "QueueRow",
    "Receipt",
    "ReleaseAnswer",
    "ResendAnswer",
    "Resent",
    "RetryAnswer",
    "Selection",
    "Shown",
    "ShownAction",
    "ShownAttempt",
    "ShownBounce",
    "ShownCameBack",
    "ShownHold",
    "ShownLine",
    "ShownTls",
    "ShownTranscript",
    "SiteDetail",
    "SiteView",
    "Suppression",
    "SuppressionPage",
    "TrafficPoint",
]
