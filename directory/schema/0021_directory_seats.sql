-- Diaries and claims. `directory.seat` is the only claim state of the whole product.

create table directory.schedule (
    id uuid primary key,
    care_service_id uuid not null references directory.care_service,
    ownership text not null constraint schedule_ownership_known check (ownership in ('owned', 'mirrored')),
    source text not null default 'own',
    sequence bigint not null default 0 constraint schedule_sequence_positive check (sequence >= 0),
    as_of timestamptz,
    paused boolean not null default false,
    release_before_s integer constraint schedule_release_positive check (release_before_s >= 0)
);
create index schedule_by_care_service on directory.schedule (care_service_id);

-- What was published, by whom, with what effect; the same body again gets the same answer.
create table directory.publication (
    schedule_id uuid not null references directory.schedule,
    sequence bigint not null,
    digest bytea not null,
    actor_id uuid not null references kernel.actor,
    as_of timestamptz not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    slots integer not null,
    added integer not null,
    changed integer not null,
    withdrawn integer not null,
    displaced integer not null,
    constraint publication_once primary key (schedule_id, sequence)
);
create trigger publication_append_only before update or delete or truncate on directory.publication
    for each statement execute function kernel.refuse_change();

-- A slot keeps its time, kind and modality for life: a publisher who moves it withdraws it and
-- publishes another, so that nobody who was booked on it is moved without being told.
create table directory.slot (
    id uuid primary key,
    schedule_id uuid not null references directory.schedule,
    care_service_id uuid not null references directory.care_service,
    organisation_id uuid not null references directory.organisation,
    location_id uuid not null references directory.location,
    territory_id uuid not null references kernel.territory,
    key text not null,
    kind text not null constraint slot_kind_known check (kind in ('slot', 'range', 'overbook')),
    modality text not null constraint slot_modality_known check (
        modality in ('office', 'home_visit', 'teleconsultation', 'telephone')),
    visibility text not null constraint slot_visibility_known check (
        visibility in ('PUBLIC', 'PRO', 'SNP', 'CPTS')),
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    capacity smallint not null constraint slot_capacity_range check (capacity between 1 and 200),
    withdrawn_at timestamptz,
    constraint slot_ends_after_start check (starts_at < ends_at),
    constraint slot_kind_slot_has_one_seat check (kind <> 'slot' or capacity = 1)
);
create unique index slot_key_once on directory.slot (schedule_id, key, starts_at) where withdrawn_at is null;
create index slot_by_care_service on directory.slot (care_service_id, starts_at) where withdrawn_at is null;
create index slot_by_schedule on directory.slot (schedule_id, starts_at);

create table directory.seat (
    slot_id uuid not null references directory.slot,
    number smallint not null,
    state text not null default 'free',
    claim uuid,
    until timestamptz,
    constraint seat_once primary key (slot_id, number),
    constraint seat_number_positive check (number > 0),
    constraint seat_state_fits check (case state
        when 'free' then claim is null and until is null
        when 'held' then claim is not null and until is not null
        when 'booked' then claim is not null and until is null
        when 'displaced' then claim is not null and until is null
        when 'withdrawn' then claim is null and until is null
        else false end)
) with (fillfactor = 70);
create unique index seat_one_claim on directory.seat (claim) where claim is not null;

-- Claims a place of a slot for a time. Gives the seat's number, or null when none can be had: none
-- is free, the slot is over or withdrawn, or its publisher's consent does not allow it (paused, not
-- yet released). An expired hold is free to whoever comes next.
-- First any free seat that nobody is working on; only when there is none it waits for those that
-- are being worked on, so that a claim that rolls back never costs somebody else the place.
create function directory.directory_claim(p_slot uuid, p_claim uuid, p_for interval)
returns smallint language plpgsql as $$
declare
    v_now constant timestamptz := kernel.regul_now();
    v_number smallint;
begin
    perform 1
    from directory.slot l join directory.schedule c on c.id = l.schedule_id
    where l.id = p_slot and l.withdrawn_at is null and l.ends_at > v_now and not c.paused
        and (c.release_before_s is null
            or l.starts_at - v_now <= make_interval(secs => c.release_before_s));
    if not found then
        return null;
    end if;
    update directory.seat s set state = 'held', claim = p_claim, until = v_now + p_for
    where s.slot_id = p_slot and s.number = (
        select t.number from directory.seat t
        where t.slot_id = p_slot and (t.state = 'free' or (t.state = 'held' and t.until <= v_now))
        order by t.number limit 1 for update skip locked)
        and (s.state = 'free' or (s.state = 'held' and s.until <= v_now))
    returning s.number into v_number;
    if found then
        return v_number;
    end if;
    -- Each round waits for one seat; when that one was taken another may have come free meanwhile.
    while exists (
        select from directory.seat t
        where t.slot_id = p_slot
            and (t.state = 'free' or (t.state = 'held' and t.until <= kernel.regul_now())))
    loop
        update directory.seat s
        set state = 'held', claim = p_claim, until = kernel.regul_now() + p_for
        where s.slot_id = p_slot and s.number = (
            select t.number from directory.seat t
            where t.slot_id = p_slot
                and (t.state = 'free' or (t.state = 'held' and t.until <= kernel.regul_now()))
            order by t.number limit 1 for update)
            and (s.state = 'free' or (s.state = 'held' and s.until <= kernel.regul_now()))
        returning s.number into v_number;
        exit when found;
    end loop;
    return v_number;
end $$;

-- Turns an unexpired hold into a booked seat. No row: it expired, was displaced, or never was.
create function directory.directory_book(p_claim uuid)
returns table (slot_id uuid, seat smallint) language sql as $$
    update directory.seat s set state = 'booked', until = null
    where s.claim = p_claim and s.state = 'held' and s.until > kernel.regul_now()
    returning s.slot_id, s.number
$$;

-- Gives a place back. A displaced one is not free again: its publisher had withdrawn it.
create function directory.directory_release(p_claim uuid) returns boolean language sql as $$
    with given as (
        update directory.seat s
        set state = case s.state when 'displaced' then 'withdrawn' else 'free' end,
            claim = null, until = null
        where s.claim = p_claim and s.state in ('held', 'booked', 'displaced')
        returning 1)
    select exists (select 1 from given)
$$;

-- Prolongs an unexpired hold; never shortens it. Null: it expired, was displaced, or never was.
create function directory.directory_extend(p_claim uuid, p_for interval)
returns timestamptz language sql as $$
    update directory.seat s set until = greatest(s.until, kernel.regul_now() + p_for)
    where s.claim = p_claim and s.state = 'held' and s.until > kernel.regul_now()
    returning s.until
$$;

revoke execute on function directory.directory_claim, directory.directory_book,
    directory.directory_release, directory.directory_extend from public;
grant execute on function directory.directory_claim, directory.directory_book,
    directory.directory_release, directory.directory_extend to regul_app, regul_system;
grant select, insert on directory.publication to regul_app, regul_system;
grant select, insert, update on directory.schedule, directory.slot, directory.seat
    to regul_app, regul_system;
