"""The whole configuration as one frozen value: what the file, the environment and the command line came to.

Made by :func:`softbounce_config.sources.load`, which also makes the checks that span several keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from softbounce.settings import Settings
from softbounce.store.address import StoreAddress
from softbounce_config.alerts import AlertSection
from softbounce_config.brakes import BrakeSection
from softbounce_config.dkim import DkimSection
from softbounce_config.fields import Section
from softbounce_config.gate import GateSection
from softbounce_config.health import HealthSection
from softbounce_config.presets import with_presets
from softbounce_config.quotas import QuietSection, QuotaSection
from softbounce_config.reports import NoticesSection, ReturnsSection
from softbounce_config.routes import RouteSection
from softbounce_config.rules import AssignSection, LaneSection, PolicySection, ReplySection, StreamSection, TlsSection
from softbounce_config.sections import (
    ClassifySection,
    DnsSection,
    GatewaySection,
    IdentitySection,
    JobsSection,
    SchedulerSection,
    SmtpSection,
    StoreSection,
    WorkerSection,
)
from softbounce_config.suppress import SuppressSection
from softbounce_config.urls import EMBEDDED, SOCKET
from softbounce_config.webhooks import WebhookSection

__all__ = ["DEFAULT_POLICY", "Config"]

DEFAULT_POLICY = "default"


def _with_default(policies: dict[str, PolicySection]) -> dict[str, PolicySection]:
    return policies if DEFAULT_POLICY in policies else {DEFAULT_POLICY: PolicySection(), **policies}


def _tables(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


TABLES = BeforeValidator(_tables)


class Config(Section):
    """All settings, checked."""

    store: StoreSection = Field(default_factory=StoreSection)
    jobs: JobsSection = Field(default_factory=JobsSection)
    identity: IdentitySection = Field(default_factory=IdentitySection)
    worker: WorkerSection = Field(default_factory=WorkerSection)
    scheduler: SchedulerSection = Field(default_factory=SchedulerSection)
    dns: DnsSection = Field(default_factory=DnsSection)
    smtp: SmtpSection = Field(default_factory=SmtpSection)
    gateway: GatewaySection = Field(default_factory=GatewaySection)
    classify: ClassifySection = Field(default_factory=ClassifySection)
    suppress: SuppressSection = Field(default_factory=SuppressSection)
    gate: GateSection = Field(default_factory=GateSection)
    notices: NoticesSection = Field(default_factory=NoticesSection)
    health: HealthSection = Field(default_factory=HealthSection)
    policy: Annotated[dict[str, PolicySection], AfterValidator(_with_default)] = Field(
        default_factory=lambda: {DEFAULT_POLICY: PolicySection()}
    )
    assign: Annotated[tuple[AssignSection, ...], TABLES] = ()
    stream: Annotated[tuple[StreamSection, ...], TABLES] = ()
    reply: Annotated[tuple[ReplySection, ...], TABLES] = ()
    lane: Annotated[tuple[LaneSection, ...], TABLES] = ()
    tls: Annotated[tuple[TlsSection, ...], TABLES] = ()
    route: Annotated[tuple[RouteSection, ...], TABLES] = ()
    brake: Annotated[tuple[BrakeSection, ...], TABLES] = ()
    quota: Annotated[tuple[QuotaSection, ...], TABLES] = ()
    quiet: Annotated[tuple[QuietSection, ...], TABLES] = ()
    dkim: Annotated[tuple[DkimSection, ...], TABLES] = ()
    webhook: Annotated[tuple[WebhookSection, ...], TABLES] = ()
    alert: Annotated[tuple[AlertSection, ...], TABLES] = ()
    returns: Annotated[tuple[ReturnsSection, ...], TABLES] = ()

    @property
    def data_dir(self) -> Path:
        """The folder for all that must outlive a restart, absolute."""
        return self.store.data_dir.absolute()

    @property
    def socket(self) -> Path:
        """Where a store of our own listens."""
        return self.data_dir / SOCKET

    @property
    def is_embedded(self) -> bool:
        """Whether the store is a server of our own."""
        return self.store.url == EMBEDDED

    @property
    def store_url(self) -> str:
        """Where the store is reached; an embedded one by its unix socket."""
        return StoreAddress.of_socket(str(self.socket)).url if self.is_embedded else self.store.url

    def settings(self) -> Settings:
        """What is published in the store; version 0 until it is."""
        return Settings(
            policies={name: policy.rule(name) for name, policy in self.policy.items()},
            assign=tuple(section.rule() for section in self.assign),
            stream=tuple(section.rule() for section in self.stream),
            reply=tuple(section.rule() for section in self.reply),
            lane=with_presets([section.rule(f"lane[{number}]") for number, section in enumerate(self.lane)]),
            tls=tuple(section.rule() for section in self.tls),
            route=(*self.gate.routes(), *(section.rule() for section in self.route)),
            brake=tuple(section.rule() for section in self.brake),
            quota=tuple(section.rule() for section in self.quota),
            quiet=tuple(section.rule() for section in self.quiet),
            suppress=self.suppress.rules(),
            returns=tuple(section.rule() for section in self.returns),
            gate=self.gate.rules(),
            notices=self.notices.rule(),
            disabled_rules=self.classify.disabled_rules,
            rule_pack=self.classify.rules.text if self.classify.rules else "",
            hold_pauses_window=self.scheduler.hold_pauses_window,
            max_message_octets=self.smtp.max_message,
            keep_finished=self.store.keep_finished,
            keep_finished_max_octets=self.store.keep_finished_max,
            keep_bodies=self.store.keep_bodies,
            keep_bodies_max_octets=self.store.keep_bodies_max,
            keep_keys=self.store.keep_keys,
            keep_events=self.store.keep_events,
            keep_events_max=self.store.keep_events_max,
        )
