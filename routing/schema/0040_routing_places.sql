-- From a disposition to a place: what was offered, what is held, what is booked, who waits.
-- The only state of a claim is directory.seat; rows here carry the claim and say what it is for.

create schema routing;
grant usage on schema routing to regul_app, regul_system;

-- One answer to a need, as it was given: replay and the loser of a race read it again.
create table routing.offer (
    id uuid primary key,
    territory_id uuid not null,
    case_id uuid not null,
    disposition_id uuid not null,
    actor_id uuid not null references kernel.actor,
    asked_at timestamptz not null,
    acuity text not null constraint offer_acuity_known check (acuity ~ '^U[0-5]$'),
    seed bigint not null,
    snapshot_version bigint not null,
    considered integer not null,
    refused_total integer not null,
    widened_m integer,
    -- Ids, codes and numbers only; never a patient's data.
    need jsonb not null,
    places jsonb not null,
    spare jsonb not null,
    refused jsonb not null,
    first_care_service_id uuid,
    constraint offer_counts_fit check (refused_total between 0 and considered)
);
create index offer_of_disposition on routing.offer (disposition_id, id);
-- Fairness asks who came first lately.
create index offer_first on routing.offer (territory_id, first_care_service_id, asked_at)
    where first_care_service_id is not null;

-- A hold's id is the claim that stands in the seat. Whether it lapsed is a matter of time alone.
create table routing.hold (
    id uuid primary key,
    territory_id uuid not null,
    case_id uuid not null,
    disposition_id uuid not null,
    offer_id uuid references routing.offer,
    actor_id uuid not null references kernel.actor,
    slot_id uuid not null,
    seat smallint not null,
    care_service_id uuid not null,
    acuity text not null constraint hold_acuity_known check (acuity ~ '^U[0-5]$'),
    state text not null default 'held'
        constraint hold_state_known check (state in ('held', 'booked', 'released')),
    placed_at timestamptz not null default kernel.regul_now(),
    until timestamptz not null,
    extended boolean not null default false,
    -- When screens were told that it lapsed; decides nothing.
    lapse_told_at timestamptz
);
create index hold_of_case on routing.hold (case_id);
create index hold_to_tell on routing.hold (until) where state = 'held' and lapse_told_at is null;

-- The live holds of an actor, in one row that is its own lock; what has lapsed is dropped at the
-- next write, so no sweeper decides who may hold.
create type routing.live_hold as (id uuid, until timestamptz);
create table routing.hold_allowance (
    actor_id uuid primary key references kernel.actor,
    live routing.live_hold[] not null,
    constraint hold_allowance_limit check (cardinality(live) <= 10)
);

create table routing.appointment (
    id uuid primary key,
    claim uuid not null constraint appointment_claim_once unique,
    territory_id uuid not null,
    case_id uuid not null,
    disposition_id uuid not null,
    organisation_id uuid not null,
    care_service_id uuid not null,
    location_id uuid not null,
    slot_id uuid not null,
    seat smallint not null,
    kind text not null
        constraint appointment_kind_known check (kind in ('slot', 'range', 'overbook')),
    modality text not null,
    acuity text not null constraint appointment_acuity_known check (acuity ~ '^U[0-5]$'),
    state text not null constraint appointment_state_known
        check (state in ('pending', 'booked', 'fulfilled', 'noshow', 'cancelled')),
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    booked_by uuid not null references kernel.actor,
    booked_at timestamptz not null default kernel.regul_now(),
    handoff_id uuid,
    settled_at timestamptz,
    cancel_reason text,
    -- What the receiver must know, sealed with the case's key.
    key_id uuid,
    instructions bytea,
    constraint appointment_text_has_key check (instructions is null or key_id is not null),
    constraint appointment_cancelled_with_reason
        check ((state = 'cancelled') = (cancel_reason is not null))
);
-- The second lock: whatever a seat's row says, a place is never given twice.
create unique index appointment_one_per_seat on routing.appointment (slot_id, seat)
    where state <> 'cancelled';
create unique index appointment_one_per_disposition on routing.appointment (disposition_id)
    where state in ('pending', 'booked');
create index appointment_of_case on routing.appointment (case_id);
create index appointment_of_organisation on routing.appointment (organisation_id, starts_at);

create table routing.referral (
    id uuid primary key,
    territory_id uuid not null,
    case_id uuid not null,
    disposition_id uuid not null,
    organisation_id uuid not null,
    care_service_id uuid not null,
    service text not null,
    acuity text not null constraint referral_acuity_known check (acuity ~ '^U[0-5]$'),
    state text not null constraint referral_state_known
        check (state in ('sent', 'accepted', 'refused', 'completed', 'cancelled')),
    sent_by uuid not null references kernel.actor,
    sent_at timestamptz not null default kernel.regul_now(),
    due_at timestamptz,
    handoff_id uuid,
    settled_at timestamptz,
    key_id uuid,
    instructions bytea,
    constraint referral_text_has_key check (instructions is null or key_id is not null)
);
create unique index referral_one_per_receiver on routing.referral (disposition_id, care_service_id)
    where state in ('sent', 'accepted');
create index referral_of_case on routing.referral (case_id);
create index referral_of_organisation on routing.referral (organisation_id, id);

-- A need without a place is owned by a named actor until it is placed or closed.
create table routing.waiting_entry (
    id uuid primary key,
    territory_id uuid not null,
    case_id uuid not null,
    disposition_id uuid not null,
    service text not null,
    acuity text not null constraint waiting_entry_acuity_known check (acuity ~ '^U[0-5]$'),
    owner_id uuid not null references kernel.actor,
    state text not null default 'waiting'
        constraint waiting_entry_state_known check (state in ('waiting', 'placed', 'closed')),
    binding_constraint text not null,
    entered_at timestamptz not null default kernel.regul_now(),
    deadline timestamptz not null,
    escalated_at timestamptz,
    settled_at timestamptz
);
create unique index waiting_entry_one_per_disposition on routing.waiting_entry (disposition_id)
    where state = 'waiting';
create index waiting_entry_of_case on routing.waiting_entry (case_id);
create index waiting_entry_list on routing.waiting_entry (territory_id, acuity, deadline)
    where state = 'waiting';
create index waiting_entry_due on routing.waiting_entry (deadline)
    where state = 'waiting' and escalated_at is null;

-- Who sees a row: the centre of its territory; a clinic what was sent to it.
alter table routing.offer enable row level security;
alter table routing.offer force row level security;
create policy offer_owner on routing.offer to regul_owner using (true);
create policy offer_system on routing.offer to regul_system using (true);
create policy offer_scope on routing.offer to regul_app
    using (territory_id = (select kernel.current_territory()));

alter table routing.hold enable row level security;
alter table routing.hold force row level security;
create policy hold_owner on routing.hold to regul_owner using (true);
create policy hold_system on routing.hold to regul_system using (true);
create policy hold_scope on routing.hold to regul_app
    using (territory_id = (select kernel.current_territory()));

alter table routing.appointment enable row level security;
alter table routing.appointment force row level security;
create policy appointment_owner on routing.appointment to regul_owner using (true);
create policy appointment_system on routing.appointment to regul_system using (true);
create policy appointment_scope on routing.appointment to regul_app
    using (territory_id = (select kernel.current_territory())
        or organisation_id = any ((select kernel.current_organisations())::uuid[]));

alter table routing.referral enable row level security;
alter table routing.referral force row level security;
create policy referral_owner on routing.referral to regul_owner using (true);
create policy referral_system on routing.referral to regul_system using (true);
create policy referral_scope on routing.referral to regul_app
    using (territory_id = (select kernel.current_territory())
        or organisation_id = any ((select kernel.current_organisations())::uuid[]));

alter table routing.waiting_entry enable row level security;
alter table routing.waiting_entry force row level security;
create policy waiting_entry_owner on routing.waiting_entry to regul_owner using (true);
create policy waiting_entry_system on routing.waiting_entry to regul_system using (true);
create policy waiting_entry_scope on routing.waiting_entry to regul_app
    using (territory_id = (select kernel.current_territory()));

grant select, insert on routing.offer to regul_app, regul_system;
grant select, insert on routing.hold to regul_app, regul_system;
grant update (state, until, extended, lapse_told_at) on routing.hold to regul_app, regul_system;
grant select, insert, update on routing.hold_allowance to regul_app, regul_system;
grant select, insert on routing.appointment to regul_app, regul_system;
grant update (state, handoff_id, settled_at, cancel_reason)
    on routing.appointment to regul_app, regul_system;
grant select, insert on routing.referral to regul_app, regul_system;
grant update (state, handoff_id, due_at, settled_at) on routing.referral to regul_app, regul_system;
grant select, insert on routing.waiting_entry to regul_app, regul_system;
grant update (state, owner_id, escalated_at, settled_at)
    on routing.waiting_entry to regul_app, regul_system;
