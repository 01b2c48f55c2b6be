-- The feed: immutable facts, their gapless positions, who follows them. PostgreSQL is the record;
-- JetStream holds copies that can be rebuilt from here.

create schema events;
grant usage on schema events to regul_app, regul_system;

-- One row per aggregate: its lock gives the order of the aggregate's events.
create table events.aggregate (
    aggregate_id uuid primary key,
    version integer not null constraint aggregate_version_positive check (version > 0)
);

create table events.outbox (
    id bigint generated always as identity primary key,
    event_id uuid not null constraint outbox_event_unique unique,
    kind text not null constraint outbox_kind_shape check (kind ~ '^[a-z]+\.[a-z]+$'),
    aggregate text not null constraint outbox_aggregate_shape check (aggregate ~ '^[a-z_]{1,40}$'),
    aggregate_id uuid not null,
    version integer not null,
    territory_id uuid not null,
    case_id uuid,
    organisation_ids uuid[] not null default '{}',
    actor_id uuid not null,
    correlation_id text not null default '',
    occurred_at timestamptz not null default kernel.regul_now(),
    payload jsonb not null,
    constraint outbox_version_unique unique (aggregate_id, version)
);
create index outbox_of_case on events.outbox (case_id) where case_id is not null;
create trigger outbox_append_only before update or delete or truncate on events.outbox
    for each statement execute function kernel.refuse_change();

-- What has no position yet. A queue, so that a transaction which commits late is never skipped.
create table events.pending (outbox_id bigint primary key references events.outbox);

-- A restored or promoted database starts a new epoch: positions may then mean other events.
create table events.epoch (
    epoch integer primary key,
    cluster text not null,
    began_at timestamptz not null default kernel.regul_now()
);

create table events.position (
    position bigint primary key constraint position_positive check (position > 0),
    outbox_id bigint not null constraint position_event_once unique references events.outbox,
    epoch integer not null references events.epoch,
    hash bytea not null
);
create trigger position_append_only before update or delete or truncate on events.position
    for each statement execute function kernel.refuse_change();

create table events.subscription (
    id uuid primary key,
    actor_id uuid not null references kernel.actor,
    kinds text[] not null constraint subscription_kinds_present check (kinds <> '{}'),
    territory_id uuid,
    organisation_id uuid,
    care_service_id uuid,
    -- Under whose pseudonyms the cases are named; an organisation, or the territory of staff.
    recipient_id uuid not null,
    delivery text not null constraint subscription_delivery_known check (delivery in ('nats', 'sse')),
    active boolean not null default true,
    -- The dispatcher sets it: the position before the first one that it looks at for this row.
    from_position bigint,
    last_number bigint not null default 0,
    created_at timestamptz not null default kernel.regul_now()
);
create index subscription_of_actor on events.subscription (actor_id);

create table events.delivery (
    subscription_id uuid not null references events.subscription,
    event_number bigint not null constraint delivery_number_positive check (event_number > 0),
    position bigint not null references events.position,
    constraint delivery_number_once primary key (subscription_id, event_number),
    constraint delivery_event_once unique (subscription_id, position)
);

-- How far each follower of positions is; the dispatcher is one of them.
create table events.consumer (
    name text primary key,
    position bigint not null default 0
);
insert into events.consumer (name) values ('dispatcher');

-- The effect of an event and this row commit together.
create table events.inbox (
    consumer text not null,
    event_id uuid not null,
    constraint inbox_effect_once primary key (consumer, event_id)
);

create table events.dead_letter (
    consumer text not null,
    event_id uuid not null,
    position bigint not null,
    aggregate_id uuid not null,
    reason text not null,
    parked_at timestamptz not null default kernel.regul_now(),
    settled_at timestamptz,
    constraint dead_letter_once primary key (consumer, event_id)
);
create index dead_letter_open on events.dead_letter (consumer, aggregate_id) where settled_at is null;

-- What the workers last saw, for the console.
create table events.health (
    component text primary key,
    healthy boolean not null,
    position bigint not null,
    checked_at timestamptz not null default kernel.regul_now()
);

-- Appends one fact inside the caller's transaction; also called from other rooms' statements.
create function events.events_append(
    p_event uuid, p_kind text, p_aggregate text, p_aggregate_id uuid, p_territory uuid,
    p_case uuid, p_organisations uuid[], p_actor uuid, p_correlation text, p_payload jsonb
) returns integer language sql security definer set search_path = events, pg_temp as $$
    with versioned as (
        insert into events.aggregate as a (aggregate_id, version) values (p_aggregate_id, 1)
        on conflict (aggregate_id) do update set version = a.version + 1
        returning a.version),
    written as (
        insert into events.outbox (event_id, kind, aggregate, aggregate_id, version, territory_id,
            case_id, organisation_ids, actor_id, correlation_id, payload)
        select p_event, p_kind, p_aggregate, p_aggregate_id, version, p_territory,
            p_case, coalesce(p_organisations, '{}'), p_actor, coalesce(p_correlation, ''), p_payload
        from versioned
        returning id, version),
    queued as (insert into events.pending (outbox_id) select id from written)
    select version from written
$$;

-- What the hash chain covers.
create function events.outbox_record(o events.outbox) returns text language sql stable as $$
    select json_build_array(o.event_id, o.kind, o.aggregate, o.aggregate_id, o.version,
        o.territory_id, o.case_id, o.organisation_ids, o.actor_id, o.correlation_id,
        extract(epoch from o.occurred_at)::text, o.payload::text)::text
$$;

-- The one rule of who receives what: the wish, and what the subscriber may see at this moment.
create function events.in_scope(s events.subscription, o events.outbox)
returns boolean language sql stable as $$
    select o.kind = any (s.kinds)
        and (s.territory_id is null or s.territory_id = o.territory_id)
        and (s.organisation_id is null or s.organisation_id = any (o.organisation_ids))
        and (s.care_service_id is null or s.care_service_id::text = o.payload ->> 'care_service_id')
        and exists (select from kernel.actor a
            where a.id = s.actor_id and a.active
              and (a.territory_id = o.territory_id or a.organisation_ids && o.organisation_ids))
$$;

alter table events.outbox enable row level security;
alter table events.outbox force row level security;
create policy outbox_owner on events.outbox to regul_owner using (true);
create policy outbox_system on events.outbox to regul_system using (true);
create policy outbox_scope on events.outbox for select to regul_app
    using (territory_id = (select kernel.current_territory())
        or organisation_ids && (select kernel.current_organisations())::uuid[]);

alter table events.subscription enable row level security;
alter table events.subscription force row level security;
create policy subscription_owner on events.subscription to regul_owner using (true);
create policy subscription_system on events.subscription to regul_system using (true);
create policy subscription_scope on events.subscription to regul_app
    using (actor_id = (select kernel.current_actor()));

alter table events.delivery enable row level security;
alter table events.delivery force row level security;
create policy delivery_owner on events.delivery to regul_owner using (true);
create policy delivery_system on events.delivery to regul_system using (true);
create policy delivery_scope on events.delivery for select to regul_app
    using (subscription_id in (select s.id from events.subscription s
        where s.actor_id = (select kernel.current_actor())));

grant select on events.outbox, events.position, events.epoch to regul_app, regul_system;
grant select, delete on events.pending to regul_system;
grant select on events.pending to regul_app;
grant insert on events.position, events.epoch to regul_system;
grant select, insert on events.subscription to regul_app, regul_system;
grant update (active, from_position, last_number) on events.subscription to regul_system;
grant update (active) on events.subscription to regul_app;
grant select on events.delivery to regul_app, regul_system;
grant insert on events.delivery to regul_system;
grant select on events.consumer to regul_app;
grant select, insert, update on events.consumer to regul_system;
grant select, insert on events.inbox to regul_system;
grant select on events.dead_letter to regul_app;
grant select, insert, update on events.dead_letter to regul_system;
grant select on events.health to regul_app;
grant select, insert, update on events.health to regul_system;
