-- The level in force of a case, what waits for a confirmation, answers that age, calls owed to
-- those who wait, and calls that come again.

-- acuity_assured, acuity_worst and acuity_proposed are the levels in force: they rise with an
-- assessment at once and fall only when somebody entitled confirms it. lower_* is what waits.
alter table triage.case_file
    add column lower_assessment_id uuid references triage.assessment,
    add column lower_assured text constraint case_file_lower_assured_known check (lower_assured ~ '^U[0-5]$'),
    add column lower_proposed text constraint case_file_lower_proposed_known check (lower_proposed ~ '^U[0-5]$'),
    add column lower_since timestamptz,
    add column physician_reasons text[] not null default '{not_assessed}',
    -- When somebody last heard how the patient is.
    add column heard_at timestamptz not null default kernel.regul_now(),
    add column calls_96h integer not null default 1 constraint case_file_calls_counted check (calls_96h >= 1),
    add column previous_case_id uuid references triage.case_file,
    add constraint case_file_lower_whole check (
        (lower_assessment_id is null) = (lower_since is null)
        and (lower_assessment_id is not null or num_nonnulls(lower_assured, lower_proposed) = 0)),
    -- What waits is milder than what stands; no level is milder than any.
    add constraint case_file_lower_is_milder check (
        lower_assessment_id is null
        or coalesce(lower_assured, 'U9') > coalesce(acuity_assured, 'U9')
        or coalesce(lower_proposed, 'U9') > coalesce(acuity_proposed, 'U9'));
update triage.case_file set physician_reasons = case
    when assessment_id is null then '{not_assessed}'::text[]
    when physician_required then '{no_matching_protocol}'::text[]
    else '{}'::text[] end;
alter table triage.case_file add constraint case_file_physician_reason_given check (
    physician_required = (cardinality(physician_reasons) > 0)
    and physician_reasons <@ '{not_assessed,no_matching_protocol,third_call}'::text[]);
grant update (lower_assessment_id, lower_assured, lower_proposed, lower_since, physician_reasons,
    heard_at, calls_96h, previous_case_id) on triage.case_file to regul_app, regul_system;

-- Until when an answer counts: the protocol's validity on the day it was given.
alter table triage.finding add column valid_until timestamptz;

-- What was left out of an evaluation (too old, not yet confirmed), and the levels in force after it.
alter table triage.assessment
    add column expired jsonb not null default '[]',
    add column to_confirm jsonb not null default '[]',
    add column standing jsonb;

-- A milder level put in force by a human; both levels are kept.
create table triage.acuity_confirmation (
    id uuid primary key,
    case_id uuid not null references triage.case_file,
    territory_id uuid not null references kernel.territory,
    assessment_id uuid not null constraint acuity_confirmation_once unique references triage.assessment,
    from_assured text constraint acuity_confirmation_from_assured_known check (from_assured ~ '^U[0-5]$'),
    from_proposed text constraint acuity_confirmation_from_proposed_known check (from_proposed ~ '^U[0-5]$'),
    to_assured text constraint acuity_confirmation_to_assured_known check (to_assured ~ '^U[0-5]$'),
    to_proposed text constraint acuity_confirmation_to_proposed_known check (to_proposed ~ '^U[0-5]$'),
    reason text not null constraint acuity_confirmation_has_reason check (reason <> ''),
    confirmed_by uuid not null references kernel.actor,
    confirmed_role text not null constraint acuity_confirmation_role_may check (
        confirmed_role in ('physician', 'osnp', 'operator')),
    confirmed_at timestamptz not null default kernel.regul_now(),
    constraint acuity_confirmation_by_physician check (
        confirmed_role = 'physician'
        or (coalesce(from_assured, 'U9') > 'U2' and coalesce(from_proposed, 'U9') > 'U2')),
    constraint acuity_confirmation_is_milder check (
        coalesce(to_assured, 'U9') > coalesce(from_assured, 'U9')
        or coalesce(to_proposed, 'U9') > coalesce(from_proposed, 'U9'))
);
create index acuity_confirmation_of_case on triage.acuity_confirmation (case_id, id);
create trigger acuity_confirmation_append_only
    before update or delete or truncate on triage.acuity_confirmation
    for each statement execute function kernel.refuse_change();
alter table triage.acuity_confirmation enable row level security;
alter table triage.acuity_confirmation force row level security;
create policy acuity_confirmation_owner on triage.acuity_confirmation to regul_owner using (true);
create policy acuity_confirmation_system on triage.acuity_confirmation to regul_system using (true);
create policy acuity_confirmation_scope on triage.acuity_confirmation to regul_app
    using (territory_id = (select kernel.current_territory())
        or case_id in (select p.case_id from triage.participant p
                       where p.organisation_id = any ((select kernel.current_organisations())::uuid[])));
grant select, insert on triage.acuity_confirmation to regul_app, regul_system;

-- A re-call is a callback that each waiting case has, due by its level; nobody asks for it.
alter table triage.callback
    add column told_at timestamptz,
    drop constraint callback_reason_known,
    drop constraint callback_done_was_tried,
    drop constraint callback_state_known;
alter table triage.callback
    add constraint callback_reason_known check (reason in (
        'hang_up', 'deferred', 'follow_up', 'missed_appointment', 'no_place', 'recall')),
    add constraint callback_state_known check (state in ('due', 'done', 'abandoned', 'withdrawn')),
    add constraint callback_done_was_tried check (state in ('due', 'withdrawn') or attempts > 0),
    add constraint callback_recall_of_case check (reason <> 'recall' or case_id is not null);
create unique index callback_one_recall on triage.callback (case_id)
    where reason = 'recall' and state = 'due';
create index callback_recall_untold on triage.callback (due_at)
    where reason = 'recall' and state = 'due' and told_at is null;
grant update (due_at, told_at) on triage.callback to regul_app, regul_system;

-- Found again by number, across patients and callers.
create index patient_by_phone on triage.patient (phone_token) where phone_token is not null;
create index case_file_recent on triage.case_file (territory_id, opened_at);
