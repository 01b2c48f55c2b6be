-- Handoffs: responsibility passes as a lease with a deadline; somebody owns it in every state.

create table events.handoff (
    id uuid primary key,
    territory_id uuid not null,
    case_id uuid not null,
    subject_kind text not null
        constraint handoff_subject_known check (subject_kind in ('appointment', 'referral')),
    subject_id uuid not null,
    from_organisation_id uuid,
    to_organisation_id uuid not null,
    care_service_id uuid not null,
    acuity text not null constraint handoff_acuity_known check (acuity ~ '^U[0-5]$'),
    acknowledgement_required boolean not null,
    state text not null constraint handoff_state_known check (state in ('requested', 'delivered',
        'seen', 'accepted', 'refused', 'overdue', 'escalated', 'completed', 'cancelled')),
    -- Who answers for the patient now: the sender, the receiver, or the one on duty.
    owner text not null constraint handoff_owner_known check (owner in ('sender', 'receiver', 'duty')),
    requested_by uuid not null references kernel.actor,
    requested_at timestamptz not null default kernel.regul_now(),
    -- When silence becomes overdue; none where publishing the slot was the acceptance.
    due_at timestamptz,
    delivered_at timestamptz,
    seen_by uuid references kernel.actor,
    seen_at timestamptz,
    -- The human behind a partner's system, by the identifier that system uses for them.
    seen_person text,
    answered_by uuid references kernel.actor,
    answered_at timestamptz,
    answered_person text,
    refusal_reason text,
    -- `human`: a named person answered; `publication`: the slot was published for booking.
    acceptance text constraint handoff_acceptance_known check (acceptance in ('human', 'publication')),
    escalated_to_role text,
    escalated_to_actor_id uuid references kernel.actor,
    escalated_at timestamptz,
    ended_at timestamptz,
    constraint handoff_has_deadline check (not acknowledgement_required or due_at is not null),
    constraint handoff_accepted_by_human check (
        state <> 'accepted' or (acceptance = 'human' and answered_by is not null)),
    constraint handoff_refused_with_reason check (state <> 'refused' or refusal_reason is not null),
    constraint handoff_escalated_to_someone check (state <> 'escalated'
        or escalated_to_role is not null or escalated_to_actor_id is not null)
);
create index handoff_to on events.handoff (to_organisation_id, id);
create index handoff_of_territory on events.handoff (territory_id, id);
create index handoff_of_subject on events.handoff (subject_id);
create index handoff_due on events.handoff (due_at)
    where state in ('requested', 'delivered', 'seen') and acknowledgement_required;
create index handoff_overdue on events.handoff (territory_id) where state = 'overdue';

-- To whom an unanswered handoff of a territory goes: a named actor or whoever has the role.
create table events.roster (
    territory_id uuid not null references kernel.territory,
    level smallint not null constraint roster_level_positive check (level > 0),
    role text,
    actor_id uuid references kernel.actor,
    constraint roster_one_per_level primary key (territory_id, level),
    constraint roster_names_someone check ((role is null) <> (actor_id is null))
);

alter table events.handoff enable row level security;
alter table events.handoff force row level security;
create policy handoff_owner on events.handoff to regul_owner using (true);
create policy handoff_system on events.handoff to regul_system using (true);
create policy handoff_scope on events.handoff to regul_app
    using (territory_id = (select kernel.current_territory())
        or to_organisation_id = any ((select kernel.current_organisations())::uuid[])
        or from_organisation_id = any ((select kernel.current_organisations())::uuid[]));

grant select, insert on events.handoff to regul_app, regul_system;
grant update (state, owner, delivered_at, seen_by, seen_at, seen_person,
    answered_by, answered_at, answered_person, refusal_reason, acceptance,
    escalated_to_role, escalated_to_actor_id, escalated_at, ended_at)
    on events.handoff to regul_app, regul_system;
grant select on events.roster to regul_app, regul_system;
grant insert, update, delete on events.roster to regul_system;
