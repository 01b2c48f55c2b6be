-- Calls, cases and what was decided. `case` is a reserved word: the table is case_file.
-- Identity, contact and free text stand only sealed; findings are codes and numbers.

create schema triage;
grant usage on schema triage to regul_app, regul_system;

create table triage.incident (
    id uuid primary key,
    territory_id uuid not null references kernel.territory,
    kind text not null,
    opened_by uuid not null references kernel.actor,
    opened_at timestamptz not null default kernel.regul_now()
);

create table triage.case_file (
    id uuid primary key,
    territory_id uuid not null references kernel.territory,
    incident_id uuid references triage.incident,
    key_id uuid not null references kernel.key,
    opened_by uuid not null references kernel.actor,
    opened_at timestamptz not null default kernel.regul_now(),
    state text not null default 'taken' constraint case_file_state_known check (state in (
        'taken', 'qualified', 'awaiting_physician', 'decided', 'engaged', 'on_scene',
        'report_received', 'oriented', 'arrived', 'closed')),
    complaint text,
    -- Caller's own words, and the address: sealed with the case's key.
    complaint_text bytea,
    address bytea,
    sex text constraint case_file_sex_known check (sex in ('F', 'M', 'other')),
    age_years double precision constraint case_file_age_range check (age_years between 0 and 125),
    insee text,
    lon double precision constraint case_file_lon_range check (lon between -180 and 180),
    lat double precision constraint case_file_lat_range check (lat between -90 and 90),
    -- The default of the words said, kept so that each evaluation is reproducible.
    default_acuity text constraint case_file_default_known check (default_acuity ~ '^U[0-5]$'),
    assessment_id uuid,
    acuity_assured text constraint case_file_assured_known check (acuity_assured ~ '^U[0-5]$'),
    acuity_worst text constraint case_file_worst_known check (acuity_worst ~ '^U[0-5]$'),
    acuity_proposed text constraint case_file_proposed_known check (acuity_proposed ~ '^U[0-5]$'),
    interval_closed boolean not null default false,
    physician_required boolean not null default true,
    priority text constraint case_file_priority_known check (priority in ('P0', 'P1', 'P2', 'P3', 'NR')),
    stream text constraint case_file_stream_known check (stream in ('AMU', 'SNP', 'PSY', 'NEONAT')),
    priority_reason text,
    qualified_by uuid references kernel.actor,
    qualified_at timestamptz,
    -- Since when a physician is owed; a transfer to another stream keeps it.
    awaiting_since timestamptz,
    taken_by uuid references kernel.actor,
    taken_at timestamptz,
    decided_at timestamptz,
    care_level text constraint case_file_care_level_known check (care_level in ('R1', 'R2', 'R3', 'R4')),
    responsible_actor_id uuid references kernel.actor,
    responsible_organisation_id uuid,
    closed_at timestamptz,
    close_outcome text,
    constraint case_file_one_responsible
        check (num_nonnulls(responsible_actor_id, responsible_organisation_id) = 1),
    constraint case_file_place_whole check ((lon is null) = (lat is null)),
    constraint case_file_qualified_whole check (num_nulls(priority, stream, qualified_by, qualified_at) in (0, 4)),
    constraint case_file_qualified_before_waiting check (
        state not in ('qualified', 'awaiting_physician') or priority is not null),
    constraint case_file_nr_never_waits check (state <> 'awaiting_physician' or priority <> 'NR'),
    constraint case_file_closed_whole check (
        (state = 'closed') = (closed_at is not null) and (state = 'closed') = (close_outcome is not null))
);
create index case_file_waiting on triage.case_file (territory_id, stream, awaiting_since)
    where awaiting_since is not null and decided_at is null and closed_at is null;
create index case_file_open on triage.case_file (territory_id, id) where closed_at is null;

create table triage.call (
    id uuid primary key,
    territory_id uuid not null references kernel.territory,
    case_id uuid references triage.case_file,
    incident_id uuid references triage.incident,
    channel text not null constraint call_channel_known check (channel in (
        'phone', 'web', 'sms', 'partner', 'remote_monitoring', 'walk_in')),
    received_by uuid not null references kernel.actor,
    received_at timestamptz not null default kernel.regul_now(),
    ended_at timestamptz,
    outcome text constraint call_outcome_known check (outcome in (
        'case', 'existing_case', 'information', 'error', 'malicious', 'no_answer')),
    constraint call_ended_whole check ((ended_at is null) = (outcome is null)),
    constraint call_case_named check (outcome not in ('case', 'existing_case') or case_id is not null)
);
create index call_of_case on triage.call (case_id) where case_id is not null;

create table triage.caller (
    id uuid primary key,
    call_id uuid not null constraint caller_one_per_call unique references triage.call,
    case_id uuid references triage.case_file,
    territory_id uuid not null references kernel.territory,
    relation text not null,
    key_id uuid not null references kernel.key,
    name bytea,
    phone bytea,
    phone_token bytea
);
create index caller_by_phone on triage.caller (phone_token) where phone_token is not null;

create table triage.patient (
    id uuid primary key,
    case_id uuid not null constraint patient_one_per_case unique references triage.case_file,
    territory_id uuid not null references kernel.territory,
    key_id uuid not null references kernel.key,
    family_name bytea,
    given_name bytea,
    birth_date bytea,
    ins bytea,
    phone bytea,
    family_name_token bytea,
    birth_date_token bytea,
    ins_token bytea,
    phone_token bytea
);
create index patient_by_ins on triage.patient (ins_token) where ins_token is not null;
create index patient_by_name on triage.patient (family_name_token, birth_date_token)
    where family_name_token is not null;

-- Organisations that may see a case because they take part in it.
create table triage.participant (
    case_id uuid not null references triage.case_file,
    organisation_id uuid not null,
    territory_id uuid not null references kernel.territory,
    added_at timestamptz not null default kernel.regul_now(),
    constraint participant_once primary key (case_id, organisation_id)
);
create index participant_of_organisation on triage.participant (organisation_id, case_id);

-- Answers are never changed: a correction stands beside what it corrects.
create table triage.finding (
    id uuid primary key,
    case_id uuid not null references triage.case_file,
    territory_id uuid not null references kernel.territory,
    input text not null,
    value jsonb,
    unanswerable text constraint finding_reason_known check (unanswerable in (
        'caller_cannot_know', 'not_obtainable_here', 'refused')),
    observer text not null constraint finding_observer_known check (observer in (
        'caller', 'bystander', 'professional', 'recogniser', 'record')),
    recorded_by uuid not null references kernel.actor,
    recorded_at timestamptz not null default kernel.regul_now(),
    superseded_at timestamptz,
    constraint finding_value_or_reason check ((value is null) <> (unanswerable is null))
);
create unique index finding_one_current on triage.finding (case_id, input) where superseded_at is null;

-- One evaluation: what went in (findings, circumstances, digests) and what came out.
create table triage.assessment (
    id uuid primary key,
    case_id uuid not null references triage.case_file,
    territory_id uuid not null references kernel.territory,
    actor_id uuid not null references kernel.actor,
    assessed_at timestamptz not null default kernel.regul_now(),
    findings jsonb not null,
    observation jsonb not null,
    digests text[] not null,
    result jsonb not null
);
create index assessment_of_case on triage.assessment (case_id, id);
create trigger assessment_append_only before update or delete or truncate on triage.assessment
    for each statement execute function kernel.refuse_change();

create table triage.disposition (
    id uuid primary key,
    case_id uuid not null references triage.case_file,
    territory_id uuid not null references kernel.territory,
    kind text not null constraint disposition_kind_known check (kind in (
        'CONSEIL', 'PMT', 'INTER', 'ORIENT', 'PASPLUS')),
    acuity text not null constraint disposition_acuity_known check (acuity ~ '^U[0-5]$'),
    -- Both levels are kept: what was proposed, and what a human decided.
    acuity_proposed text constraint disposition_proposed_known check (acuity_proposed ~ '^U[0-5]$'),
    assessment_id uuid references triage.assessment,
    reason text,
    reflex boolean not null default false,
    service text,
    skills text[] not null default '{}',
    modality text,
    care_level text constraint disposition_care_level_known check (care_level in ('R1', 'R2', 'R3', 'R4')),
    due_at timestamptz,
    decided_by uuid not null references kernel.actor,
    decided_role text not null constraint disposition_role_may_decide check (
        decided_role in ('physician', 'osnp', 'operator')),
    decided_at timestamptz not null default kernel.regul_now(),
    -- What was said before the patient was left, sealed.
    worsening_signs bytea,
    call_back bytea,
    read_back boolean,
    constraint disposition_lower_has_reason check (
        acuity_proposed is null or acuity <= acuity_proposed or reason is not null),
    constraint disposition_lower_by_physician check (
        acuity_proposed is null or acuity <= acuity_proposed or acuity_proposed > 'U2'
        or decided_role = 'physician'),
    constraint disposition_safety_net_said check (
        kind not in ('CONSEIL', 'PMT', 'ORIENT')
        or num_nulls(worsening_signs, call_back, read_back) = 0),
    constraint disposition_reflex_dispatches check (not reflex or (kind = 'INTER' and acuity = 'U0')),
    constraint disposition_place_has_service check (kind not in ('INTER', 'ORIENT') or service is not null)
);
create index disposition_of_case on triage.disposition (case_id, id);
create trigger disposition_append_only before update or delete or truncate on triage.disposition
    for each statement execute function kernel.refuse_change();

create table triage.callback (
    id uuid primary key,
    territory_id uuid not null references kernel.territory,
    case_id uuid references triage.case_file,
    call_id uuid references triage.call,
    reason text not null constraint callback_reason_known check (reason in (
        'hang_up', 'deferred', 'follow_up', 'missed_appointment', 'no_place')),
    due_at timestamptz not null,
    state text not null default 'due' constraint callback_state_known check (state in ('due', 'done', 'abandoned')),
    attempts integer not null default 0 constraint callback_attempts_positive check (attempts >= 0),
    last_outcome text constraint callback_outcome_known check (last_outcome in (
        'reached', 'no_answer', 'refused', 'wrong_number', 'abandoned')),
    last_attempt_at timestamptz,
    owner_id uuid not null references kernel.actor,
    created_at timestamptz not null default kernel.regul_now(),
    constraint callback_about_something check (case_id is not null or call_id is not null),
    constraint callback_attempt_whole check (
        (attempts = 0) = (last_outcome is null) and (attempts = 0) = (last_attempt_at is null)),
    constraint callback_done_was_tried check (state = 'due' or attempts > 0)
);
create index callback_due on triage.callback (territory_id, due_at, id) where state = 'due';

-- Row-level security: the actor's territory, or an organisation that takes part in the case.
alter table triage.incident enable row level security;
alter table triage.incident force row level security;
create policy incident_owner on triage.incident to regul_owner using (true);
create policy incident_system on triage.incident to regul_system using (true);
create policy incident_scope on triage.incident to regul_app
    using (territory_id = (select kernel.current_territory()));

alter table triage.participant enable row level security;
alter table triage.participant force row level security;
create policy participant_owner on triage.participant to regul_owner using (true);
create policy participant_system on triage.participant to regul_system using (true);
create policy participant_scope on triage.participant to regul_app
    using (territory_id = (select kernel.current_territory())
        or organisation_id = any ((select kernel.current_organisations())::uuid[]));

alter table triage.case_file enable row level security;
alter table triage.case_file force row level security;
create policy case_file_owner on triage.case_file to regul_owner using (true);
create policy case_file_system on triage.case_file to regul_system using (true);
create policy case_file_scope on triage.case_file to regul_app
    using (territory_id = (select kernel.current_territory())
        or id in (select p.case_id from triage.participant p
                  where p.organisation_id = any ((select kernel.current_organisations())::uuid[])));

alter table triage.call enable row level security;
alter table triage.call force row level security;
create policy call_owner on triage.call to regul_owner using (true);
create policy call_system on triage.call to regul_system using (true);
create policy call_scope on triage.call to regul_app
    using (territory_id = (select kernel.current_territory()));

alter table triage.caller enable row level security;
alter table triage.caller force row level security;
create policy caller_owner on triage.caller to regul_owner using (true);
create policy caller_system on triage.caller to regul_system using (true);
create policy caller_scope on triage.caller to regul_app
    using (territory_id = (select kernel.current_territory())
        or case_id in (select p.case_id from triage.participant p
                       where p.organisation_id = any ((select kernel.current_organisations())::uuid[])));

alter table triage.patient enable row level security;
alter table triage.patient force row level security;
create policy patient_owner on triage.patient to regul_owner using (true);
create policy patient_system on triage.patient to regul_system using (true);
create policy patient_scope on triage.patient to regul_app
    using (territory_id = (select kernel.current_territory())
        or case_id in (select p.case_id from triage.participant p
                       where p.organisation_id = any ((select kernel.current_organisations())::uuid[])));

alter table triage.finding enable row level security;
alter table triage.finding force row level security;
create policy finding_owner on triage.finding to regul_owner using (true);
create policy finding_system on triage.finding to regul_system using (true);
create policy finding_scope on triage.finding to regul_app
    using (territory_id = (select kernel.current_territory())
        or case_id in (select p.case_id from triage.participant p
                       where p.organisation_id = any ((select kernel.current_organisations())::uuid[])));

alter table triage.assessment enable row level security;
alter table triage.assessment force row level security;
create policy assessment_owner on triage.assessment to regul_owner using (true);
create policy assessment_system on triage.assessment to regul_system using (true);
create policy assessment_scope on triage.assessment to regul_app
    using (territory_id = (select kernel.current_territory())
        or case_id in (select p.case_id from triage.participant p
                       where p.organisation_id = any ((select kernel.current_organisations())::uuid[])));

alter table triage.disposition enable row level security;
alter table triage.disposition force row level security;
create policy disposition_owner on triage.disposition to regul_owner using (true);
create policy disposition_system on triage.disposition to regul_system using (true);
create policy disposition_scope on triage.disposition to regul_app
    using (territory_id = (select kernel.current_territory())
        or case_id in (select p.case_id from triage.participant p
                       where p.organisation_id = any ((select kernel.current_organisations())::uuid[])));

alter table triage.callback enable row level security;
alter table triage.callback force row level security;
create policy callback_owner on triage.callback to regul_owner using (true);
create policy callback_system on triage.callback to regul_system using (true);
create policy callback_scope on triage.callback to regul_app
    using (territory_id = (select kernel.current_territory()));

grant select, insert on triage.incident, triage.call, triage.caller, triage.patient, triage.participant,
    triage.case_file, triage.finding, triage.assessment, triage.disposition, triage.callback
    to regul_app, regul_system;
grant update (case_id, incident_id, ended_at, outcome) on triage.call to regul_app, regul_system;
grant update (case_id) on triage.caller to regul_app, regul_system;
grant update (superseded_at) on triage.finding to regul_app, regul_system;
grant update (state, attempts, last_outcome, last_attempt_at, owner_id) on triage.callback to regul_app, regul_system;
grant update (state, complaint, default_acuity, sex, age_years, assessment_id, acuity_assured,
    acuity_worst, acuity_proposed, interval_closed, physician_required, priority, stream, priority_reason,
    qualified_by, qualified_at, awaiting_since, taken_by, taken_at, decided_at, care_level,
    responsible_actor_id, responsible_organisation_id, closed_at, close_outcome)
    on triage.case_file to regul_app, regul_system;
