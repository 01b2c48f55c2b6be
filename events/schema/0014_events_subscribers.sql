-- Subscribers: webhooks, pausing, secrets, where each subscription stands, alarms about those that
-- fail.

alter table events.subscription drop constraint subscription_delivery_known;
alter table events.subscription
    add column endpoint text,
    add column scheme text,
    add column heartbeat_s integer,
    -- Numbered but not sent until resumed; `stopped_at`: by us, after 410 or the last attempt.
    add column paused_at timestamptz,
    add column stopped_at timestamptz,
    add column stop_reason text,
    -- A test event that was asked for and has not been sent.
    add column test_id uuid,
    -- NATS: the consumer is to begin anew after this number.
    add column replay_after bigint,
    -- Signing keys are derived from the master key; the one before counts until `former_until`.
    add column key_generation integer not null default 1,
    add column former_until timestamptz,
    add constraint subscription_delivery_known check (delivery in ('nats', 'sse', 'webhook')),
    add constraint subscription_endpoint_fits check (
        (delivery = 'webhook') = (endpoint is not null)
        and (delivery = 'webhook') = (scheme is not null)
        and (scheme is null or scheme in ('v1a', 'v1'))
        and length(endpoint) <= 2000),
    add constraint subscription_heartbeat_range check (heartbeat_s between 10 and 86400),
    add constraint subscription_stop_explained check ((stopped_at is null) = (stop_reason is null)),
    add constraint subscription_generation_positive check (key_generation > 0);

-- Apart from the subscription: it changes with each delivery.
create table events.progress (
    subscription_id uuid primary key references events.subscription,
    -- The last number put on the way, and the last one the subscriber confirmed: by 2xx, by an
    -- acknowledgement at NATS, or (SSE) by having been written to the open stream.
    sent_number bigint not null default 0,
    confirmed_number bigint not null default 0,
    confirmed_at timestamptz,
    beat_at timestamptz,
    attempts integer not null default 0,
    next_try_at timestamptz,
    failing_since timestamptz,
    failure text,
    -- Which sender is at it now.
    claim uuid,
    claimed_until timestamptz,
    constraint progress_numbers_ordered check (0 <= confirmed_number),
    constraint progress_claim_ends check ((claim is null) = (claimed_until is null)),
    constraint progress_failure_named check ((failing_since is null) = (failure is null))
);
insert into events.progress (subscription_id, sent_number, confirmed_number)
select id, last_number, last_number from events.subscription;

-- A subscription that fails has an owner: the first step of the roster, else the supervisors.
create table events.subscription_alarm (
    id uuid primary key,
    subscription_id uuid not null references events.subscription,
    territory_id uuid not null,
    reason text not null
        constraint subscription_alarm_reason_known check (reason in ('failing', 'gone', 'given_up')),
    owner_role text not null,
    owner_actor_id uuid,
    raised_at timestamptz not null default kernel.regul_now(),
    taken_by uuid,
    taken_at timestamptz,
    closed_at timestamptz,
    constraint subscription_alarm_taken_by_one check ((taken_by is null) = (taken_at is null))
);
create unique index subscription_alarm_one_open on events.subscription_alarm
    (subscription_id, territory_id) where closed_at is null;

alter table events.progress enable row level security;
alter table events.progress force row level security;
create policy progress_owner on events.progress to regul_owner using (true);
create policy progress_system on events.progress to regul_system using (true);
create policy progress_scope on events.progress to regul_app
    using (subscription_id in (select s.id from events.subscription s
        where s.actor_id = (select kernel.current_actor())));

alter table events.subscription_alarm enable row level security;
alter table events.subscription_alarm force row level security;
create policy subscription_alarm_owner on events.subscription_alarm to regul_owner using (true);
create policy subscription_alarm_system on events.subscription_alarm to regul_system using (true);
create policy subscription_alarm_scope on events.subscription_alarm to regul_app
    using (territory_id = (select kernel.current_territory()));

-- Who owns subscriptions, as far as serving them asks.
create view events.subscriber as
    select id, organisation_ids, active, api_key_hash is not null as has_key from kernel.actor;
grant select on events.subscriber to regul_system;

-- Where subscriptions stand: the subscriber's own, and for a centre's staff those whose last events
-- are of its territory. Never an endpoint, never an event.
create function events.subscription_lag(p_subscription uuid)
returns table (
    id uuid, label text, delivery text, kinds text[], active boolean, paused_at timestamptz,
    stopped_at timestamptz, stop_reason text, heartbeat_s integer, last_number bigint,
    sent_number bigint, confirmed_number bigint, confirmed_at timestamptz, attempts integer,
    next_try_at timestamptz, failing_since timestamptz, failure text, waiting_since timestamptz)
language sql stable security definer set search_path = events, pg_temp as $$
    select s.id, a.label, s.delivery, s.kinds, s.active and a.active, s.paused_at, s.stopped_at,
        s.stop_reason, s.heartbeat_s, s.last_number, p.sent_number, p.confirmed_number,
        p.confirmed_at, p.attempts, p.next_try_at, p.failing_since, p.failure,
        (select o.occurred_at
         from events.delivery d
         join events.position n on n.position = d.position
         join events.outbox o on o.id = n.outbox_id
         where d.subscription_id = s.id and d.event_number = p.confirmed_number + 1)
    from events.subscription s
    join events.progress p on p.subscription_id = s.id
    join kernel.actor a on a.id = s.actor_id
    where (p_subscription is null or s.id = p_subscription)
      and (s.actor_id = kernel.current_actor()
        or a.territory_id = kernel.current_territory()
        or exists (select
            from events.delivery d
            join events.position n on n.position = d.position
            join events.outbox o on o.id = n.outbox_id
            where d.subscription_id = s.id and d.event_number > s.last_number - 50
              and o.territory_id = kernel.current_territory()))
$$;
revoke all on function events.subscription_lag(uuid) from public;
grant execute on function events.subscription_lag(uuid) to regul_app, regul_system;

grant select, insert on events.progress to regul_app;
grant select, insert, update on events.progress to regul_system;
grant update (sent_number, confirmed_number, confirmed_at, attempts, next_try_at, failing_since,
    failure) on events.progress to regul_app;
grant update (paused_at, stopped_at, stop_reason, test_id, replay_after, key_generation,
    former_until) on events.subscription to regul_app, regul_system;
grant update (active) on events.subscription to regul_system;
grant select on events.subscription_alarm to regul_app;
grant update (taken_by, taken_at) on events.subscription_alarm to regul_app;
grant select, insert, update on events.subscription_alarm to regul_system;
