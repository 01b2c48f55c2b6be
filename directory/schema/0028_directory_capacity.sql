-- Beds and emergency places as their owners report them, absences as standing rules, and age limits that may be set.

-- What a care service says of one kind of capacity now; `free` is total less occupied, never below 0.
create table directory.capacity (
    care_service_id uuid not null references directory.care_service,
    kind text not null constraint capacity_kind_known check (kind in (
        'hospital_bed', 'intensive_care_bed', 'short_stay_bed', 'surgery_bed', 'maternity_bed', 'paediatric_bed',
        'psychiatric_bed', 'geriatric_bed', 'emergency_place', 'resuscitation_room')),
    total integer not null constraint capacity_total_range check (total between 0 and 10000),
    occupied integer not null constraint capacity_occupied_range check (occupied between 0 and 10000),
    over boolean not null default false,
    cause text not null constraint capacity_cause_known check (
        cause in ('admission', 'discharge', 'opening', 'closing', 'census', 'correction')),
    sequence bigint not null constraint capacity_sequence_positive check (sequence > 0),
    source text not null,
    actor_id uuid not null references kernel.actor,
    role text not null,
    as_of timestamptz not null,
    constraint capacity_once primary key (care_service_id, kind),
    constraint capacity_over_needs_flag check (over or occupied <= total)
);

-- Every report that counted, with its author and its cause.
create table directory.capacity_change (
    care_service_id uuid not null,
    kind text not null,
    sequence bigint not null,
    total integer not null,
    occupied integer not null,
    over boolean not null,
    cause text not null,
    source text not null,
    actor_id uuid not null references kernel.actor,
    role text not null,
    as_of timestamptz not null,
    constraint capacity_change_once primary key (care_service_id, kind, sequence),
    constraint capacity_change_of_capacity foreign key (care_service_id, kind) references directory.capacity,
    constraint capacity_change_over_needs_flag check (over or occupied <= total)
);
create trigger capacity_change_append_only before update or delete or truncate on directory.capacity_change
    for each statement execute function kernel.refuse_change();

-- Local days, both included, on which a diary is not to be had, whenever its slots are published.
create table directory.absence (
    id uuid primary key,
    schedule_id uuid not null references directory.schedule,
    since date not null,
    until date not null,
    actor_id uuid not null references kernel.actor,
    at timestamptz not null default kernel.regul_now(),
    ended_at timestamptz,
    ended_by uuid references kernel.actor,
    constraint absence_order check (since <= until),
    constraint absence_end_has_author check ((ended_at is null) = (ended_by is null))
);
create unique index absence_said_once on directory.absence (schedule_id, since, until) where ended_at is null;

-- What people report by hand here; diaries that are kept here have no age.
insert into directory.source_limit (source, marked_after_s, refused_after_s) values ('own', 14400, 86400)
on conflict do nothing;

-- As before (0023), with absences. The pure twin is `directory/consent.py`.
create or replace function directory.directory_refusal(p_slot uuid) returns text language sql stable as $$
    select case
        when l.withdrawn_at is not null then 'withdrawn'
        when l.ends_at <= m.now then 'over'
        when c.paused then 'paused'
        when exists (
            select from directory.absence b
            where b.schedule_id = c.id and b.ended_at is null
                and (l.starts_at at time zone p.zone)::date between b.since and b.until)
            then 'absent'
        when m.now < directory.released_at(l.starts_at, c.release_before_s, c.release_min, p.zone)
            then 'held_back'
        when c.ownership = 'mirrored' and c.as_of + make_interval(secs => a.refused_after_s) <= m.now
            then 'outdated'
        when c.quota_per_day is not null and c.quota_per_day <= directory.quota_used(
                c.id, (l.starts_at at time zone p.zone)::date, p.zone)
            then 'quota_spent'
        end
    from (select kernel.regul_now() as now) m, directory.slot l
        join directory.schedule c on c.id = l.schedule_id
        join directory.location p on p.id = l.location_id
        left join lateral (
            select d.refused_after_s from directory.source_limit d
            where d.source in (c.source, '*') order by d.source = '*' limit 1) a on true
    where l.id = p_slot
$$;

grant select, insert, update on directory.capacity, directory.absence to regul_app, regul_system;
grant select, insert on directory.capacity_change to regul_app, regul_system;
grant insert, update, delete on directory.source_limit to regul_app;
