"""Subscriptions: a standing wish for kinds of events in a scope, with numbers of its own."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

import asyncpg
import msgspec

from events import catalogue, cloudevents, deliveries, webhook_address
from events.cloudevents import CloudEvent
from events.webhook_signing import Scheme
from kernel import audit, errors, ids
from kernel.actor import Actor, require
from kernel.crypto import KeyRing
from kernel.database import Tx
from kernel.inputs import Code

MOST: Final = 50
"""Active subscriptions an actor may have."""
LONGEST_PAGE: Final = 200
State: TypeAlias = Literal["active", "paused", "stopped", "ended"]
Beat = Annotated[int, msgspec.Meta(ge=10, le=86_400)]


class NewSubscription(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a subscriber wishes.

    Attributes:
        kinds: Kinds of events, from the catalogue.
        delivery: `nats` (durable pull consumer), `webhook` (we post to `endpoint`) or `sse`.
        territory_id: Only events of this territory.
        organisation_id: Only events that concern this organisation.
        care_service_id: Only events that name this care service.
        endpoint: Of a webhook: an https address on the public network.
        scheme: Of a webhook's signatures: `v1a` (ed25519) or `v1` (HMAC-SHA256).
        heartbeat_s: Seconds of silence after which a sign of life is sent; none = no heartbeat.
    """

    kinds: tuple[Code, ...]
    delivery: Literal["nats", "sse", "webhook"] = "nats"
    territory_id: UUID | None = None
    organisation_id: UUID | None = None
    care_service_id: UUID | None = None
    endpoint: str | None = None
    scheme: Scheme | None = None
    heartbeat_s: Beat | None = None


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A subscription and where it stands.

    Attributes:
        id: Identity; also the name of its consumer on stream OUT.
        actor_id: Whose it is.
        kinds: Kinds of events.
        territory_id: Scope.
        organisation_id: Scope.
        care_service_id: Scope.
        recipient_id: Under whose pseudonyms cases are named.
        delivery: `nats`, `webhook` or `sse`.
        active: Whether events are numbered for it; false once it has ended.
        from_position: Events after this position are looked at; none before the dispatcher began.
        last_number: Last number given; 0 before the first event.
        created_at: When, UTC.
        paused_at: Since when nothing is sent at the subscriber's wish; numbering goes on.
        stopped_at: Since when nothing is sent because the webhook is gone or never answered.
        stop_reason: `gone` (it answered 410) or `given_up` (the last attempt failed).
        endpoint: Of a webhook.
        scheme: Of its signatures.
        heartbeat_s: Seconds of silence after which a sign of life is sent.
        key_generation: Which signing key is the present one; from 1.
        former_until: Until when the one before counts too.
    """

    id: UUID
    actor_id: UUID
    kinds: tuple[str, ...]
    territory_id: UUID | None
    organisation_id: UUID | None
    care_service_id: UUID | None
    recipient_id: UUID
    delivery: str
    active: bool
    from_position: int | None
    last_number: int
    created_at: datetime
    paused_at: datetime | None = None
    stopped_at: datetime | None = None
    stop_reason: str | None = None
    endpoint: str | None = None
    scheme: Scheme | None = None
    heartbeat_s: int | None = None
    key_generation: int = 1
    former_until: datetime | None = None
    state: State = "active"


async def create(
    tx: Tx, actor: Actor, command: NewSubscription, *, loopback: bool = False
) -> Subscription:
    """Subscribe; numbering begins with the next event in scope. A webhook gets a test event first.

    Args:
        tx: The transaction.
        actor: The subscriber.
        command: The wish.
        loopback: A webhook may go to this machine.

    Returns:
        The subscription.

    Raises:
        Invalid: `kinds_missing`, `kind_unknown`, `endpoint_needed`, `endpoint_not_expected`,
            `webhook_address_refused`.
        Forbidden: `scope_not_allowed`: territory or organisation is not the actor's.
        Limited: `subscriptions_full`.
    """
    require(actor, "subscription.manage")
    _check_endpoint(command, loopback=loopback)
    kinds = sorted(set(command.kinds))
    if not kinds:
        code = "kinds_missing"
        raise errors.Invalid(code, "Name at least one kind of event.", path="kinds")
    if unknown := [kind for kind in kinds if kind not in catalogue.KINDS]:
        code = "kind_unknown"
        raise errors.Invalid(code, "No such kind of event.", path="kinds", unknown=unknown)
    webhook = command.delivery == "webhook"
    row = await tx.fetchrow(
        INSERT_SUBSCRIPTION,
        ids.uuid7(),
        actor.id,
        kinds,
        command.territory_id,
        command.organisation_id,
        command.care_service_id,
        _recipient(actor, command),
        command.delivery,
        MOST,
        command.endpoint,
        (command.scheme or "v1a") if webhook else None,
        command.heartbeat_s,
        ids.uuid7() if webhook else None,
    )
    if row is None:
        code = "subscriptions_full"
        raise errors.Limited(code, "This actor has as many subscriptions as it may have.")
    subscription = _subscription(row)
    await tx.execute(INSERT_PROGRESS, subscription.id)
    await audit.record(tx, actor, "subscription.manage", "subscription", subscription.id)
    return subscription


async def get(tx: Tx, actor: Actor, subscription_id: UUID) -> Subscription:
    """Read a subscription and where it stands.

    Args:
        tx: The transaction.
        actor: Its owner.
        subscription_id: Which.

    Returns:
        The subscription.

    Raises:
        Missing: `subscription_missing`: none, or not the actor's.
    """
    require(actor, "subscription.manage")
    row = await tx.fetchrow(SELECT_SUBSCRIPTION, subscription_id)
    if row is None:
        code = "subscription_missing"
        raise errors.Missing(code, "No such subscription.")
    return _subscription(row)


async def page(tx: Tx, actor: Actor) -> Sequence[Subscription]:
    """List the actor's subscriptions.

    Args:
        tx: The transaction.
        actor: Their owner.

    Returns:
        Oldest first.
    """
    require(actor, "subscription.manage")
    return [_subscription(row) for row in await tx.fetch(SELECT_SUBSCRIPTIONS)]


async def events(
    tx: Tx, actor: Actor, subscription_id: UUID, keys: KeyRing, *, after: int, limit: int
) -> Sequence[CloudEvent]:
    """Read events by number from PostgreSQL: the repair of a gap, or a replay.

    Args:
        tx: The transaction.
        actor: The owner.
        subscription_id: Which.
        keys: Makes pseudonyms.
        after: Number before the first one wanted.
        limit: At most 200.

    Returns:
        The same envelopes, with the same numbers, as over NATS.

    Raises:
        Missing: `subscription_missing`.
    """
    require(actor, "event.read")
    subscription = await get(tx, actor, subscription_id)
    found = await deliveries.page(tx, subscription_id, after, min(limit, LONGEST_PAGE))
    detail = f"events {len(found)} after {after}"
    await audit.record(tx, actor, "event.read", "subscription", subscription_id, detail=detail)
    return [
        cloudevents.of_delivery(one, subscription_id, subscription.recipient_id, keys)
        for one in found
    ]


async def number_before(tx: Tx, actor: Actor, subscription_id: UUID, since: datetime) -> int:
    """Give the number before the first event that happened at a moment or later.

    Args:
        tx: The transaction.
        actor: The owner.
        subscription_id: Which.
        since: The moment.

    Returns:
        The last number given when nothing happened since.

    Raises:
        Missing: `subscription_missing`.
    """
    await get(tx, actor, subscription_id)
    number: int = await tx.fetchval(SELECT_NUMBER_BEFORE, subscription_id, since)
    return number


async def consumers_of(tx: Tx, actor_id: UUID) -> Sequence[UUID]:
    """List the active subscriptions that an actor may pull over NATS.

    Args:
        tx: A transaction under `regul_system`.
        actor_id: The owner.

    Returns:
        Their ids.
    """
    rows = await tx.fetch(SELECT_CONSUMERS, actor_id)
    return [row["id"] for row in rows]


def recipient_of(actor: Actor) -> UUID | None:
    """Say under whose pseudonyms an actor knows cases.

    Args:
        actor: Who reads.

    Returns:
        The first organisation, else the territory, else None.
    """
    return actor.organisation_ids[0] if actor.organisation_ids else actor.territory_id


def _recipient(actor: Actor, command: NewSubscription) -> UUID:
    recipient = recipient_of(actor)
    wrong_territory = command.territory_id is not None and (
        actor.territory_id is not None and command.territory_id != actor.territory_id
    )
    wrong_organisation = (
        command.organisation_id is not None
        and actor.territory_id is None
        and command.organisation_id not in actor.organisation_ids
    )
    if recipient is None or wrong_territory or wrong_organisation:
        code = "scope_not_allowed"
        raise errors.Forbidden(code, "This scope is not the subscriber's.")
    own = command.organisation_id
    return own if own is not None and own in actor.organisation_ids else recipient


def _check_endpoint(command: NewSubscription, *, loopback: bool) -> None:
    if command.delivery != "webhook":
        if command.endpoint is not None or command.scheme is not None:
            code = "endpoint_not_expected"
            raise errors.Invalid(code, "Only a webhook has an endpoint.", path="endpoint")
        return
    if command.endpoint is None:
        code = "endpoint_needed"
        raise errors.Invalid(code, "A webhook needs an endpoint.", path="endpoint")
    webhook_address.target(command.endpoint, loopback=loopback)


def _subscription(row: asyncpg.Record) -> Subscription:
    fields = dict(row)
    if not fields["active"]:
        fields["state"] = "ended"
    elif fields["stopped_at"] is not None:
        fields["state"] = "stopped"
    elif fields["paused_at"] is not None:
        fields["state"] = "paused"
    return msgspec.convert(fields, Subscription)


INSERT_SUBSCRIPTION: Final = """
insert into events.subscription (id, actor_id, kinds, territory_id, organisation_id,
    care_service_id, recipient_id, delivery, endpoint, scheme, heartbeat_s, test_id)
select $1, $2, $3::text[], $4, $5, $6, $7, $8, $10, $11, $12, $13
where (select count(*) from events.subscription where actor_id = $2 and active) < $9::integer
returning id, actor_id, kinds, territory_id, organisation_id, care_service_id, recipient_id,
    delivery, active, from_position, last_number, created_at, paused_at, stopped_at, stop_reason,
    endpoint, scheme, heartbeat_s, key_generation, former_until
"""
INSERT_PROGRESS: Final = """
insert into events.progress (subscription_id) values ($1)
"""
SELECT_SUBSCRIPTION: Final = """
select id, actor_id, kinds, territory_id, organisation_id, care_service_id, recipient_id,
    delivery, active, from_position, last_number, created_at, paused_at, stopped_at, stop_reason,
    endpoint, scheme, heartbeat_s, key_generation, former_until
from events.subscription where id = $1
"""
SELECT_SUBSCRIPTIONS: Final = """
select id, actor_id, kinds, territory_id, organisation_id, care_service_id, recipient_id,
    delivery, active, from_position, last_number, created_at, paused_at, stopped_at, stop_reason,
    endpoint, scheme, heartbeat_s, key_generation, former_until
from events.subscription order by id
"""
SELECT_NUMBER_BEFORE: Final = """
select coalesce(
    (select min(d.event_number) - 1
     from events.delivery d
     join events.position p on p.position = d.position
     join events.outbox o on o.id = p.outbox_id
     where d.subscription_id = $1 and o.occurred_at >= $2),
    (select last_number from events.subscription where id = $1))
"""
SELECT_CONSUMERS: Final = """
select id from events.subscription where actor_id = $1 and active and delivery = 'nats'
"""
