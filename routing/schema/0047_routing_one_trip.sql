-- Holding and booking in one round trip: each function sets the scope of the row policies and does the whole work of
-- the plain case, for the one or the several that came together. An item that gives no row left nothing behind: it is
-- a repetition, a refusal, or not the plain case, and goes the long way (`holds.place`, `appointments.book`), which
-- alone says why. Items are taken in the order of their actors, whose rows are locks, each in a savepoint of its own, so
-- that one that fails costs the others nothing; who waits for a row for more than a moment goes the long way too.

-- The scope of the statement; `set_config` in a part of the same statement would come too late for the policies. Every
-- row is found by its key, so one plan serves all: planning anew costs more than the work.
create function routing.one_trip_scope(p_territory uuid, p_organisations uuid[]) returns void language plpgsql as $$
begin
    perform set_config('regul.territory', coalesce(p_territory::text, ''), true),
        set_config('regul.organisations', p_organisations::text, true),
        set_config('lock_timeout', '100ms', true), set_config('plan_cache_mode', 'force_generic_plan', true);
end $$;

create function routing.hold_plain(
    p_territory uuid, p_organisations uuid[], p_for interval, p_actor uuid[], p_key text[], p_digest bytea[],
    p_hold uuid[], p_event uuid[], p_slot uuid[], p_disposition uuid[], p_offer uuid[], p_correlation text[],
    p_request text[]
) returns table (
    item bigint, id uuid, slot_id uuid, seat smallint, actor_id uuid, disposition_id uuid, case_id uuid,
    territory_id uuid, care_service_id uuid, acuity text, state text, until timestamptz, extended boolean,
    offer_id uuid, key_id uuid
) language plpgsql as $$
#variable_conflict use_column
declare
    v record;
    w record;
    h routing.hold;
begin
    perform routing.one_trip_scope(p_territory, p_organisations);
    for v in
        select * from unnest(p_actor, p_key, p_digest, p_hold, p_event, p_slot, p_disposition, p_offer, p_correlation,
            p_request) with ordinality as t (actor, key, digest, hold, event, slot, disposition, offer, correlation,
            request, item)
        order by t.actor, t.slot, t.item
    loop
        begin
            perform set_config('regul.actor', v.actor::text, true);
            if not kernel.idempotency_once(v.actor, v.key, v.digest, v.hold) then
                raise exception using errcode = 'RG047';
            end if;
            select t.territory_id, t.case_id, t.acuity, t.key_id into w from triage.triage_wanted(v.disposition) t;
            with claimed as materialized (
                select s.id, s.care_service_id, directory.directory_claim(s.id, v.hold, p_for) as seat
                from directory.slot s where s.id = v.slot)
            insert into routing.hold (id, territory_id, case_id, disposition_id, offer_id, actor_id, slot_id, seat,
                care_service_id, acuity, until)
            select v.hold, w.territory_id, w.case_id, v.disposition, v.offer, v.actor, c.id, c.seat,
                c.care_service_id, w.acuity, kernel.regul_now() + p_for
            from claimed c where c.seat is not null
            returning * into h;
            if not found then
                raise exception using errcode = 'RG047';
            end if;
            insert into routing.hold_allowance (actor_id, live)
            values (v.actor, array[row(h.id, h.until)::routing.live_hold])
            on conflict (actor_id) do update set live = array(
                select row(l.id, l.until)::routing.live_hold from unnest(hold_allowance.live) l
                where l.until > kernel.regul_now()) || excluded.live;
            perform events.events_append(v.event, 'hold.placed', 'hold', h.id, h.territory_id, h.case_id, '{}',
                v.actor, v.correlation, jsonb_build_object('kind', 'hold.placed', 'slot_id', h.slot_id, 'seat', h.seat,
                    'care_service_id', h.care_service_id, 'expires_at', events.events_moment(h.until)));
            perform kernel.audit_append(v.actor, 'hold.place', 'hold', h.id, h.case_id, h.territory_id, v.request, '');
            return query select v.item, h.id, h.slot_id, h.seat, h.actor_id, h.disposition_id, h.case_id,
                h.territory_id, h.care_service_id, h.acuity, h.state, h.until, h.extended, h.offer_id, w.key_id::uuid;
        exception when others then
            null;
        end;
    end loop;
end $$;

-- The plain case: a live hold on a slot of an own diary, not an extra place; U3-U5, which need no human's answer; a
-- case that is decided and nobody on the waiting list for it.
create function routing.book_plain(
    p_territory uuid, p_organisations uuid[], p_actor uuid[], p_physician boolean[], p_key text[], p_digest bytea[],
    p_hold uuid[], p_appointment uuid[], p_handoff uuid[], p_booked uuid[], p_requested uuid[], p_delivered uuid[],
    p_case_key uuid[], p_instructions bytea[], p_correlation text[], p_request text[]
) returns table (
    item bigint, id uuid, claim uuid, case_id uuid, disposition_id uuid, territory_id uuid, organisation_id uuid,
    care_service_id uuid, location_id uuid, slot_id uuid, seat smallint, kind text, modality text, acuity text,
    state text, starts_at timestamptz, ends_at timestamptz, booked_by uuid, booked_at timestamptz, handoff_id uuid,
    cancel_reason text
) language plpgsql as $$
#variable_conflict use_column
declare
    v record;
    a routing.appointment;
begin
    perform routing.one_trip_scope(p_territory, p_organisations);
    for v in
        select * from unnest(p_actor, p_physician, p_key, p_digest, p_hold, p_appointment, p_handoff, p_booked,
            p_requested, p_delivered, p_case_key, p_instructions, p_correlation, p_request) with ordinality
            as t (actor, physician, key, digest, hold, appointment, handoff, booked, requested, delivered, case_key,
            instructions, correlation, request, item)
        order by t.actor, t.hold, t.item
    loop
        begin
            perform set_config('regul.actor', v.actor::text, true);
            if not kernel.idempotency_once(v.actor, v.key, v.digest, v.appointment) then
                raise exception using errcode = 'RG047';
            end if;
            with booked as materialized (
                select b.slot_id, b.seat from directory.directory_book(v.hold) b),
            used as (
                update routing.hold h set state = 'booked' from booked b
                where h.id = v.hold and h.state = 'held' and h.acuity in ('U3', 'U4', 'U5')
                returning h.id, h.territory_id, h.case_id, h.disposition_id, h.acuity, b.slot_id, b.seat)
            insert into routing.appointment (id, claim, territory_id, case_id, disposition_id, organisation_id,
                care_service_id, location_id, slot_id, seat, kind, modality, acuity, state, starts_at, ends_at,
                booked_by, handoff_id, key_id, instructions)
            select v.appointment, u.id, u.territory_id, u.case_id, u.disposition_id, s.organisation_id,
                s.care_service_id, s.location_id, u.slot_id, u.seat, s.kind, s.modality, u.acuity, 'booked',
                s.starts_at, s.ends_at, v.actor, v.handoff, v.case_key, v.instructions
            from used u
            join directory.slot s on s.id = u.slot_id and s.kind <> 'overbook'
            join directory.schedule c on c.id = s.schedule_id and c.ownership = 'owned'
            where not exists (
                select from routing.waiting_entry w
                where w.disposition_id = u.disposition_id and w.state = 'waiting')
            returning * into a;
            if not found then
                raise exception using errcode = 'RG047';
            end if;
            update routing.hold_allowance set live = array(
                select row(l.id, l.until)::routing.live_hold from unnest(live) l where l.id <> v.hold)
            where actor_id = (select h.actor_id from routing.hold h where h.id = v.hold);
            perform events.events_append(v.booked, 'appointment.booked', 'appointment', a.id, a.territory_id,
                a.case_id, array[a.organisation_id], v.actor, v.correlation, jsonb_build_object(
                    'kind', 'appointment.booked', 'slot_id', a.slot_id, 'care_service_id', a.care_service_id,
                    'starts_at', events.events_moment(a.starts_at), 'seat', a.seat, 'acuity', a.acuity,
                    'modality', a.modality));
            perform events.events_hand_over(a.handoff_id, v.requested, v.delivered, a.territory_id, a.case_id, a.id,
                a.disposition_id, a.organisation_id, a.care_service_id, a.acuity, v.actor, v.correlation, v.request);
            if not triage.triage_orient(a.case_id, a.disposition_id, a.organisation_id, v.case_key, v.actor,
                    v.physician, v.request) then
                raise exception using errcode = 'RG047';
            end if;
            perform kernel.audit_append(v.actor, 'appointment.book', 'appointment', a.id, a.case_id, a.territory_id,
                v.request, '');
            return query select v.item, a.id, a.claim, a.case_id, a.disposition_id, a.territory_id, a.organisation_id,
                a.care_service_id, a.location_id, a.slot_id, a.seat, a.kind, a.modality, a.acuity, a.state,
                a.starts_at, a.ends_at, a.booked_by, a.booked_at, a.handoff_id, a.cancel_reason;
        exception when others then
            null;
        end;
    end loop;
end $$;

revoke execute on function routing.one_trip_scope, routing.hold_plain, routing.book_plain from public;
grant execute on function routing.one_trip_scope, routing.hold_plain, routing.book_plain to regul_app;
