-- The handoff of an appointment on a published slot, inside the statement that books: publishing was the acceptance,
-- so that it begins as delivered and the receiver answers for the patient. The same as `events.handoffs.request`.

-- A moment as events write it: ISO 8601 in UTC, microseconds only where there are some.
create function events.events_moment(p_at timestamptz) returns text language sql stable as $$
    select to_char(p_at at time zone 'UTC', case extract(microseconds from p_at)::bigint % 1000000
        when 0 then 'YYYY-MM-DD"T"HH24:MI:SS"Z"' else 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"' end)
$$;

create function events.events_hand_over(
    p_handoff uuid, p_requested uuid, p_delivered uuid, p_territory uuid, p_case uuid, p_appointment uuid,
    p_disposition uuid, p_organisation uuid, p_care_service uuid, p_acuity text, p_actor uuid, p_correlation text,
    p_request text
) returns void language plpgsql as $$
declare
    v_payload constant jsonb := jsonb_build_object(
        'subject_kind', 'appointment', 'subject_id', p_appointment, 'care_service_id', p_care_service,
        'acuity', p_acuity, 'acknowledgement_required', false, 'owner', 'receiver');
begin
    insert into events.handoff (id, territory_id, case_id, subject_kind, subject_id, to_organisation_id,
        care_service_id, acuity, acknowledgement_required, state, owner, requested_by, delivered_at, acceptance,
        disposition_id)
    values (p_handoff, p_territory, p_case, 'appointment', p_appointment, p_organisation, p_care_service, p_acuity,
        false, 'delivered', 'receiver', p_actor, kernel.regul_now(), 'publication', p_disposition);
    perform events.events_append(p_requested, 'handoff.requested', 'handoff', p_handoff, p_territory, p_case,
        array[p_organisation], p_actor, p_correlation,
        v_payload || jsonb_build_object('kind', 'handoff.requested'));
    perform events.events_append(p_delivered, 'handoff.delivered', 'handoff', p_handoff, p_territory, p_case,
        array[p_organisation], p_actor, p_correlation,
        v_payload || jsonb_build_object('kind', 'handoff.delivered'));
    perform kernel.audit_append(p_actor, 'handoff.request', 'handoff', p_handoff, p_case, p_territory, p_request,
        'request');
end $$;

revoke execute on function events.events_moment, events.events_hand_over from public;
grant execute on function events.events_moment, events.events_hand_over to regul_app;
