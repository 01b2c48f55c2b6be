-- A reported death closes nothing; a named physician's confirmation does, and can be taken back.

create table triage.death_report (
    id uuid primary key,
    case_id uuid not null references triage.case_file,
    territory_id uuid not null references kernel.territory,
    source text not null constraint death_report_source_known check (source in (
        'caller', 'team_on_scene', 'receiver', 'registry', 'other')),
    reported_by uuid not null references kernel.actor,
    reported_at timestamptz not null default kernel.regul_now(),
    confirmed_by uuid references kernel.actor,
    confirmed_at timestamptz,
    reversed_by uuid references kernel.actor,
    reversed_at timestamptz,
    reversal_reason text,
    constraint death_report_confirmed_whole check ((confirmed_by is null) = (confirmed_at is null)),
    constraint death_report_reversed_whole check (
        num_nulls(reversed_by, reversed_at, reversal_reason) in (0, 3))
);
create index death_report_of_case on triage.death_report (case_id, id);
-- One report of a case stands at a time.
create unique index death_report_one_open on triage.death_report (case_id) where reversed_at is null;

alter table triage.death_report enable row level security;
alter table triage.death_report force row level security;
create policy death_report_owner on triage.death_report to regul_owner using (true);
create policy death_report_system on triage.death_report to regul_system using (true);
create policy death_report_scope on triage.death_report to regul_app
    using (territory_id = (select kernel.current_territory())
        or case_id in (select p.case_id from triage.participant p
                       where p.organisation_id = any ((select kernel.current_organisations())::uuid[])));
grant select, insert on triage.death_report to regul_app, regul_system;
grant update (confirmed_by, confirmed_at, reversed_by, reversed_at, reversal_reason)
    on triage.death_report to regul_app, regul_system;
