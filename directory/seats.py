"""SQL that makes and unmakes seats: publishing, withdrawing and resizing slots.

Claims themselves are the functions of `schema/0021_directory_seats.sql`.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from directory.model import SlotId
from directory.publication import PublishedSlot, Resize
from kernel import database, errors
from kernel.database import Tx
from kernel.ids import uuid7

database.refuses("slot_key_once", errors.Conflict, "slot_repeated")
database.refuses("seat_one_claim", errors.Conflict, "claim_repeated")
database.refuses("slot_kind_slot_has_one_seat", errors.Invalid, "slot_capacity")
database.refuses("slot_capacity_range", errors.Invalid, "slot_capacity")


async def insert_slots(tx: Tx, schedule_id: UUID, slots: Sequence[PublishedSlot]) -> None:
    """Add slots with their free seats to a schedule."""
    if not slots:
        return
    await tx.execute(
        INSERT_SLOTS,
        schedule_id,
        [uuid7() for _ in slots],
        [slot.key for slot in slots],
        [slot.kind.value for slot in slots],
        [slot.modality.value for slot in slots],
        [slot.visibility.value for slot in slots],
        [slot.start for slot in slots],
        [slot.end for slot in slots],
        [slot.capacity for slot in slots],
    )


async def withdraw_slots(
    tx: Tx, slot_ids: Sequence[UUID]
) -> tuple[int, Mapping[SlotId, tuple[UUID, ...]]]:
    """Withdraw live slots; a seat that somebody holds or is booked on becomes displaced.

    Returns:
        How many slots were withdrawn now, and the claims of the displaced seats by slot.
    """
    if not slot_ids:
        return 0, {}
    rows = await tx.fetch(WITHDRAW_SLOTS, slot_ids)
    displaced = {SlotId(row["id"]): tuple(row["claims"]) for row in rows if row["claims"]}
    return len(rows), displaced


async def resize_slots(tx: Tx, resized: Sequence[Resize]) -> Mapping[SlotId, tuple[UUID, ...]]:
    """Set visibility and number of seats of live slots.

    Free seats go first; a held or booked seat that no longer fits becomes displaced.

    Returns:
        Claims of the displaced seats by slot.
    """
    if not resized:
        return {}
    ids = [one.id for one in resized]
    await tx.execute(
        UPDATE_SLOTS, ids, [one.visibility.value for one in resized],
        [one.capacity for one in resized],
    )  # fmt: skip
    await tx.execute(LOCK_SEATS, ids)
    rows = await tx.fetch(SHRINK_SLOTS, ids)
    await tx.execute(GROW_SLOTS, ids)
    found: dict[SlotId, tuple[UUID, ...]] = {}
    for row in rows:
        if row["claim"] is not None:
            owner = SlotId(row["slot_id"])
            found[owner] = (*found.get(owner, ()), row["claim"])
    return found


INSERT_SLOTS: Final = """
with added as (
    insert into directory.slot (id, schedule_id, care_service_id, organisation_id, location_id,
        territory_id, key, kind, modality, visibility, starts_at, ends_at, capacity)
    select n.id, s.id, s.care_service_id, c.organisation_id, c.location_id, l.territory_id, n.key,
        n.kind, n.modality, n.visibility, n.starts_at, n.ends_at, n.capacity
    from unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
            $8::timestamptz[], $9::smallint[])
            as n (id, key, kind, modality, visibility, starts_at, ends_at, capacity),
        directory.schedule s
        join directory.care_service c on c.id = s.care_service_id
        join directory.location l on l.id = c.location_id
    where s.id = $1
    returning id, capacity)
insert into directory.seat (slot_id, number)
select added.id, number from added, generate_series(1, added.capacity) as number
"""

WITHDRAW_SLOTS: Final = """
with moment as materialized (select kernel.regul_now() as now),
gone as (
    update directory.slot set withdrawn_at = (select now from moment)
    where id = any ($1::uuid[]) and withdrawn_at is null
    returning id),
freed as (
    update directory.seat s
    set state = case when s.state = 'booked' or s.until > (select now from moment)
            then 'displaced' else 'withdrawn' end,
        claim = case when s.state = 'booked' or s.until > (select now from moment)
            then s.claim end,
        until = null
    where s.slot_id in (select id from gone) and s.state in ('free', 'held', 'booked')
    returning s.slot_id, s.claim)
select gone.id, array_remove(array_agg(freed.claim), null) as claims
from gone left join freed on freed.slot_id = gone.id
group by gone.id
order by gone.id
"""

UPDATE_SLOTS: Final = """
update directory.slot s set visibility = n.visibility, capacity = n.capacity
from unnest($1::uuid[], $2::text[], $3::smallint[]) as n (id, visibility, capacity)
where s.id = n.id and s.withdrawn_at is null
"""

LOCK_SEATS: Final = """
select 1 from directory.seat where slot_id = any ($1::uuid[]) order by slot_id, number for update
"""

# The seats are locked by the statement before, so this one sees their last state.
SHRINK_SLOTS: Final = """
with moment as materialized (select kernel.regul_now() as now),
ranked as (
    select s.slot_id, s.number, s.state = 'booked' or s.until > moment.now as taken,
        row_number() over (partition by s.slot_id order by
            s.state = 'booked' desc, coalesce(s.until > moment.now, false) desc, s.number) as place
    from directory.seat s, moment
    where s.slot_id = any ($1::uuid[]) and s.state in ('free', 'held', 'booked'))
update directory.seat s
set state = case when r.taken then 'displaced' else 'withdrawn' end,
    claim = case when r.taken then s.claim end,
    until = null
from ranked r join directory.slot l on l.id = r.slot_id
where s.slot_id = r.slot_id and s.number = r.number and r.place > l.capacity
returning s.slot_id, s.claim
"""

# Withdrawn seats come back first, then new ones follow, until as many live as the slot now has.
GROW_SLOTS: Final = """
with lacking as (
    select l.id, l.capacity - count(s.number) filter (where s.state in ('free', 'held', 'booked'))
            as missing, max(s.number) as last
    from directory.slot l join directory.seat s on s.slot_id = l.id
    where l.id = any ($1::uuid[])
    group by l.id, l.capacity),
spare as (
    select s.slot_id, s.number,
        row_number() over (partition by s.slot_id order by s.number) as place
    from directory.seat s where s.slot_id = any ($1::uuid[]) and s.state = 'withdrawn'),
revived as (
    update directory.seat s set state = 'free'
    from spare p join lacking k on k.id = p.slot_id
    where s.slot_id = p.slot_id and s.number = p.number and p.place <= k.missing
    returning s.slot_id),
told as (select slot_id, count(*) as revived from revived group by slot_id)
insert into directory.seat (slot_id, number)
select k.id, k.last + extra
from lacking k left join told t on t.slot_id = k.id,
    generate_series(1, k.missing - coalesce(t.revived, 0)) as extra
"""
