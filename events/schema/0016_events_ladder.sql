-- The lease goes on until a human answers: steps of escalation, who is on duty, one taker only.

alter table events.handoff drop constraint handoff_state_known;
alter table events.handoff drop constraint handoff_escalated_to_someone;
alter table events.handoff
    -- What was decided for the patient: of the receivers asked for it one has the patient.
    add column disposition_id uuid,
    -- When a message that has not arrived is told to a human.
    add column deliver_by timestamptz,
    add column overdue_reason text constraint handoff_overdue_reason_known check (
        overdue_reason in ('silent', 'undelivered', 'let_go', 'by_hand')),
    -- Step of the escalation reached, and when the next one is due.
    add column level smallint not null default 0 constraint handoff_level_positive check (level >= 0),
    add column next_step_at timestamptz,
    add column taken_by uuid references kernel.actor,
    add column taken_at timestamptz,
    add column arrived_at timestamptz;
-- What escalated before there were steps climbs from the first.
update events.handoff set level = 1, next_step_at = kernel.regul_now() where state = 'escalated';
update events.handoff set owner = 'sender' where owner = 'duty' and escalated_to_actor_id is null;
update events.handoff set deliver_by = requested_at + interval '55 seconds'
where state = 'requested' and acknowledgement_required;
alter table events.handoff
    add constraint handoff_state_known check (state in ('requested', 'delivered', 'seen',
        'accepted', 'refused', 'overdue', 'escalated', 'taken', 'arrived', 'completed', 'cancelled')),
    add constraint handoff_escalated_to_someone check (state <> 'escalated'
        or ((escalated_to_role is not null or escalated_to_actor_id is not null)
            and next_step_at is not null)),
    add constraint handoff_taken_by_human check (state <> 'taken'
        or (taken_by is not null and escalated_to_actor_id = taken_by and due_at is not null)),
    add constraint handoff_duty_is_named check (owner <> 'duty' or escalated_to_actor_id is not null);

create unique index handoff_one_taker on events.handoff (disposition_id)
    where owner = 'receiver' and state in ('delivered', 'seen', 'accepted', 'arrived');
create index handoff_undelivered on events.handoff (deliver_by)
    where state = 'requested' and acknowledgement_required;
create index handoff_in_hand on events.handoff (due_at) where state = 'taken';
create index handoff_climbing on events.handoff (next_step_at) where state = 'escalated';
drop index events.handoff_unanswered;
create index handoff_unanswered on events.handoff (territory_id, acuity, due_at)
    where state in ('requested', 'delivered', 'seen', 'overdue', 'escalated', 'taken');
create index handoff_of_case on events.handoff (case_id, to_organisation_id);

grant update (due_at, deliver_by, overdue_reason, level, next_step_at, taken_by, taken_at,
    arrived_at) on events.handoff to regul_app, regul_system;

-- Who said that they are on duty or off; it outlives a reload. Who never said either counts as there.
create table events.duty (
    actor_id uuid primary key references kernel.actor,
    territory_id uuid not null references kernel.territory,
    on_duty boolean not null,
    -- End of the shift; open when none.
    until timestamptz,
    changed_by uuid not null references kernel.actor,
    changed_at timestamptz not null default kernel.regul_now(),
    constraint duty_shift_ends check (on_duty or until is null)
);
create index duty_of_territory on events.duty (territory_id);
alter table events.duty enable row level security;
alter table events.duty force row level security;
create policy duty_owner on events.duty to regul_owner using (true);
create policy duty_system on events.duty to regul_system using (true);
create policy duty_scope on events.duty to regul_app
    using (territory_id = (select kernel.current_territory()));
grant select, insert, update on events.duty to regul_app, regul_system;

alter table events.roster enable row level security;
alter table events.roster force row level security;
create policy roster_owner on events.roster to regul_owner using (true);
create policy roster_system on events.roster to regul_system using (true);
create policy roster_scope on events.roster to regul_app
    using (territory_id = (select kernel.current_territory()));
grant insert, update on events.roster to regul_app;
