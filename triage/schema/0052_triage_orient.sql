-- What a statement that holds or books needs of a case, and does to it; row policies apply as to any other statement.

-- What is looked for, and the key that seals what its receiver must know.
create function triage.triage_wanted(p_disposition uuid)
returns table (territory_id uuid, case_id uuid, acuity text, key_id uuid) language plpgsql stable as $$
begin
    return query
    select d.territory_id, d.case_id, d.acuity, c.key_id
    from triage.disposition d left join triage.case_file c on c.id = d.case_id
    where d.id = p_disposition;
end $$;

-- A case goes to the organisation that has a place for it, which answers for the patient from now on. False where this
-- is not the plain way: the state table does not lead there, the key is another one by now, or whoever books is no
-- physician and none decided it. The same as `participants.add`, `cases.move` and `cases.hand_to` together.
create function triage.triage_orient(
    p_case uuid, p_disposition uuid, p_organisation uuid, p_key uuid, p_actor uuid, p_physician boolean, p_request text
) returns boolean language plpgsql as $$
declare
    v_territory uuid;
begin
    update triage.case_file c
    set state = 'oriented', responsible_actor_id = null, responsible_organisation_id = p_organisation
    where c.id = p_case and c.state in ('decided', 'engaged', 'on_scene', 'report_received', 'arrived')
        and (p_key is null or c.key_id = p_key)
        and (p_physician or exists (
            select from triage.disposition d where d.id = p_disposition and d.decided_role = 'physician'))
    returning c.territory_id into v_territory;
    if not found then
        return false;
    end if;
    insert into triage.participant (case_id, organisation_id, territory_id)
    values (p_case, p_organisation, v_territory)
    on conflict on constraint participant_once do update set left_at = null;
    perform kernel.audit_append(p_actor, 'case.move', 'case', p_case, p_case, v_territory, p_request, 'oriented');
    perform kernel.audit_append(p_actor, 'case.hand_to', 'case', p_case, p_case, v_territory, p_request,
        'organisation ' || p_organisation);
    return true;
end $$;

revoke execute on function triage.triage_wanted, triage.triage_orient from public;
grant execute on function triage.triage_wanted, triage.triage_orient to regul_app;
