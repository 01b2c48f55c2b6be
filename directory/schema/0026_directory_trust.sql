-- How far a publisher keeps its word: learned from what happened, shown to it, open to its objection.

-- Faded sums of good and bad outcomes (`directory/trust.py`), and plain counts of all time.
create table directory.trust (
    organisation_id uuid primary key references directory.organisation,
    good double precision not null default 0 constraint trust_good_positive check (good >= 0),
    bad double precision not null default 0 constraint trust_bad_positive check (bad >= 0),
    as_of timestamptz not null default kernel.regul_now(),
    accepted integer not null default 0,
    refused integer not null default 0,
    unanswered integer not null default 0,
    displaced integer not null default 0
);

-- Each outcome once for its subject (an appointment or a referral).
create table directory.trust_outcome (
    subject_id uuid not null,
    outcome text not null constraint trust_outcome_known check (
        outcome in ('accepted', 'refused', 'unanswered', 'displaced')),
    organisation_id uuid not null references directory.organisation,
    at timestamptz not null default kernel.regul_now(),
    constraint trust_outcome_once primary key (subject_id, outcome)
);
create trigger trust_outcome_append_only before update or delete or truncate on directory.trust_outcome
    for each statement execute function kernel.refuse_change();

create table directory.trust_contest (
    id uuid primary key,
    organisation_id uuid not null references directory.organisation,
    actor_id uuid not null references kernel.actor,
    reason text not null constraint trust_contest_reason_known check (
        reason in ('never_received', 'answered_elsewhere', 'technical_fault', 'absence_announced', 'other')),
    acceptance double precision not null constraint trust_contest_probability check (acceptance between 0 and 1),
    at timestamptz not null default kernel.regul_now()
);
create index trust_contest_of_organisation on directory.trust_contest (organisation_id, at desc);
create trigger trust_contest_append_only before update or delete or truncate on directory.trust_contest
    for each statement execute function kernel.refuse_change();

grant select on directory.trust, directory.trust_outcome, directory.trust_contest to regul_app, regul_system;
grant insert, update on directory.trust to regul_system;
grant insert on directory.trust_outcome to regul_system;
grant insert on directory.trust_contest to regul_app, regul_system;
