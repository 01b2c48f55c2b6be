-- A claim that waited for a seat and did not get it must not keep that seat's row lock: in READ COMMITTED an update
-- that waits locks the newest row even when its WHERE then says no. Two claims that each kept one and waited for the
-- other were a deadlock. A block with its own savepoint gives such locks back.

-- Takes the first seat of a slot that may be claimed, or gives null and keeps no lock. With p_wait it waits for the
-- holder of a busy row, else it passes busy rows over.
create function directory.directory_take_seat(p_slot uuid, p_claim uuid, p_for interval, p_wait boolean)
returns smallint language plpgsql as $$
declare
    v_number smallint;
begin
    if p_wait then
        update directory.seat s
        set state = 'held', claim = p_claim, until = kernel.regul_now() + p_for
        where s.slot_id = p_slot and s.number = (
            select t.number from directory.seat t
            where t.slot_id = p_slot
                and (t.state = 'free' or (t.state = 'held' and t.until <= kernel.regul_now()))
            order by t.number limit 1 for update)
            and (s.state = 'free' or (s.state = 'held' and s.until <= kernel.regul_now()))
        returning s.number into v_number;
    else
        update directory.seat s
        set state = 'held', claim = p_claim, until = kernel.regul_now() + p_for
        where s.slot_id = p_slot and s.number = (
            select t.number from directory.seat t
            where t.slot_id = p_slot
                and (t.state = 'free' or (t.state = 'held' and t.until <= kernel.regul_now()))
            order by t.number limit 1 for update skip locked)
            and (s.state = 'free' or (s.state = 'held' and s.until <= kernel.regul_now()))
        returning s.number into v_number;
    end if;
    if not found then
        raise exception using errcode = 'RG027';
    end if;
    return v_number;
exception when sqlstate 'RG027' then
    return null;
end $$;

-- As before (0023); locks: consent of the schedule, quota of the day, one seat.
create or replace function directory.directory_claim(p_slot uuid, p_claim uuid, p_for interval)
returns smallint language plpgsql as $$
declare
    v_number smallint;
begin
    perform directory.directory_lock_consent(l.schedule_id, false) from directory.slot l where l.id = p_slot;
    if not found or directory.directory_refusal(p_slot) is not null
            or not directory.directory_take_quota(p_slot) then
        return null;
    end if;
    v_number := directory.directory_take_seat(p_slot, p_claim, p_for, false);
    -- Each round waits for one seat; when that one was taken another may have come free meanwhile.
    while v_number is null and exists (
        select from directory.seat t
        where t.slot_id = p_slot
            and (t.state = 'free' or (t.state = 'held' and t.until <= kernel.regul_now())))
    loop
        v_number := directory.directory_take_seat(p_slot, p_claim, p_for, true);
    end loop;
    return v_number;
end $$;

revoke execute on function directory.directory_take_seat from public;
grant execute on function directory.directory_take_seat to regul_app, regul_system;
