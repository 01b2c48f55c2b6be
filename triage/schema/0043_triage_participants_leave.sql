-- Taking part in a case ends: who refused, or was called off, reads its file no longer.

alter table triage.participant add column left_at timestamptz;
grant update (left_at) on triage.participant to regul_app, regul_system;
-- The policies of the case's tables ask this table under the reader's own policy.
alter policy participant_scope on triage.participant
    using (territory_id = (select kernel.current_territory())
        or (left_at is null
            and organisation_id = any ((select kernel.current_organisations())::uuid[])));
