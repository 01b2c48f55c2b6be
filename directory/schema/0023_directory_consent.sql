-- A publisher's consent by schedule: quota a day, hold-back, release time, pause; and how old what an
-- editor told may be. `directory_refusal` is the whole rule, for claims and lists; the pure twin is
-- `directory/consent.py`.

alter table directory.schedule
    add column quota_per_day smallint constraint schedule_quota_range check (quota_per_day between 0 and 1000),
    add column release_min smallint constraint schedule_release_clock check (release_min between 0 and 1439);

-- How old a mirrored diary may be, by source; source '*' stands for every other one.
create table directory.source_limit (
    source text primary key,
    marked_after_s integer not null constraint source_limit_marked_positive check (marked_after_s > 0),
    refused_after_s integer not null,
    constraint source_limit_order check (refused_after_s >= marked_after_s)
);
insert into directory.source_limit (source, marked_after_s, refused_after_s) values ('*', 3600, 86400);

-- Places the centre has of one schedule on one local day. The row is the lock; `used` is counted anew
-- from the seats at each claim, so that it never drifts; the check is what refuses at the last.
create table directory.quota_day (
    schedule_id uuid not null references directory.schedule,
    day date not null,
    quota smallint not null,
    used smallint not null,
    constraint quota_day_once primary key (schedule_id, day),
    constraint quota_day_never_exceeded check (used between 0 and quota)
);

-- When a slot becomes the centre's: the later of its start less the hold-back and, on the local day of
-- that moment, the release time; without a hold-back the release time of its own day. A wall time that
-- the clock shows twice or skips counts as the later reading (what "at time zone" gives).
create function directory.released_at(p_start timestamptz, p_before_s integer, p_at_min smallint, p_zone text)
returns timestamptz language sql stable as $$
    select case
        when p_at_min is null then coalesce(p_start - make_interval(secs => p_before_s), '-infinity')
        else greatest(p_start - make_interval(secs => p_before_s),
            (date_trunc('day', (p_start - make_interval(secs => coalesce(p_before_s, 0))) at time zone p_zone)
                + make_interval(mins => p_at_min)) at time zone p_zone)
        end
$$;

-- Seats of a schedule that are booked or validly held on a local day.
create function directory.quota_used(p_schedule uuid, p_day date, p_zone text)
returns integer language sql stable as $$
    select count(*)::integer
    from directory.slot l join directory.seat s on s.slot_id = l.id
    where l.schedule_id = p_schedule
        and l.starts_at >= p_day::timestamp at time zone p_zone
        and l.starts_at < (p_day + 1)::timestamp at time zone p_zone
        and (s.state = 'booked' or (s.state = 'held' and s.until > kernel.regul_now()))
$$;

-- Local days on which the quota of a schedule is used up, from today on.
create function directory.spent_days(p_schedule uuid, p_quota smallint, p_zone text)
returns date[] language sql stable as $$
    select coalesce(array_agg(d.day order by d.day), '{}')
    from (
        select (l.starts_at at time zone p_zone)::date as day
        from directory.slot l join directory.seat s on s.slot_id = l.id
        where p_quota is not null and l.schedule_id = p_schedule
            and l.starts_at > kernel.regul_now() - interval '1 day'
            and (s.state = 'booked' or (s.state = 'held' and s.until > kernel.regul_now()))
        group by 1 having count(*) >= p_quota) d
$$;

-- Why no place of a slot can be claimed, whatever its seats; null when nothing speaks against it.
create function directory.directory_refusal(p_slot uuid) returns text language sql stable as $$
    select case
        when l.withdrawn_at is not null then 'withdrawn'
        when l.ends_at <= m.now then 'over'
        when c.paused then 'paused'
        when m.now < directory.released_at(l.starts_at, c.release_before_s, c.release_min, p.zone)
            then 'held_back'
        when c.ownership = 'mirrored' and c.as_of + make_interval(secs => a.refused_after_s) <= m.now
            then 'outdated'
        when c.quota_per_day is not null and c.quota_per_day <= directory.quota_used(
                c.id, (l.starts_at at time zone p.zone)::date, p.zone)
            then 'quota_spent'
        end
    from (select kernel.regul_now() as now) m, directory.slot l
        join directory.schedule c on c.id = l.schedule_id
        join directory.location p on p.id = l.location_id
        left join lateral (
            select d.refused_after_s from directory.source_limit d
            where d.source in (c.source, '*') order by d.source = '*' limit 1) a on true
    where l.id = p_slot
$$;

-- The consent of a schedule stands still until the transaction ends: claims share it, a change of
-- consent has it alone, so that no claim commits after the change that had not seen it.
create function directory.directory_lock_consent(p_schedule uuid, p_alone boolean)
returns void language plpgsql as $$
begin
    if p_alone then
        perform pg_advisory_xact_lock(hashtextextended(p_schedule::text, 23));
    else
        perform pg_advisory_xact_lock_shared(hashtextextended(p_schedule::text, 23));
    end if;
end $$;

-- Takes a place off the quota of a slot's local day, waiting for whoever else does. False: used up.
-- Counted after the lock is had, so the last state of every seat is seen.
create function directory.directory_take_quota(p_slot uuid) returns boolean language plpgsql as $$
declare
    v_schedule uuid;
    v_quota smallint;
    v_zone text;
    v_day date;
    v_used integer;
begin
    select c.id, c.quota_per_day, p.zone, (l.starts_at at time zone p.zone)::date
    into v_schedule, v_quota, v_zone, v_day
    from directory.slot l
        join directory.schedule c on c.id = l.schedule_id
        join directory.location p on p.id = l.location_id
    where l.id = p_slot;
    if v_quota is null then
        return true;
    end if;
    insert into directory.quota_day (schedule_id, day, quota, used) values (v_schedule, v_day, v_quota, 0)
    on conflict do nothing;
    perform 1 from directory.quota_day q where q.schedule_id = v_schedule and q.day = v_day for update;
    v_used := directory.quota_used(v_schedule, v_day, v_zone);
    if v_used >= v_quota then
        return false;
    end if;
    update directory.quota_day q set quota = v_quota, used = v_used + 1
    where q.schedule_id = v_schedule and q.day = v_day;
    return true;
end $$;

-- As before (0021), with the whole consent. Locks: consent of the schedule, quota of the day, seat.
create or replace function directory.directory_claim(p_slot uuid, p_claim uuid, p_for interval)
returns smallint language plpgsql as $$
declare
    v_now constant timestamptz := kernel.regul_now();
    v_number smallint;
begin
    perform directory.directory_lock_consent(l.schedule_id, false) from directory.slot l where l.id = p_slot;
    if not found or directory.directory_refusal(p_slot) is not null
            or not directory.directory_take_quota(p_slot) then
        return null;
    end if;
    update directory.seat s set state = 'held', claim = p_claim, until = v_now + p_for
    where s.slot_id = p_slot and s.number = (
        select t.number from directory.seat t
        where t.slot_id = p_slot and (t.state = 'free' or (t.state = 'held' and t.until <= v_now))
        order by t.number limit 1 for update skip locked)
        and (s.state = 'free' or (s.state = 'held' and s.until <= v_now))
    returning s.number into v_number;
    if found then
        return v_number;
    end if;
    -- Each round waits for one seat; when that one was taken another may have come free meanwhile.
    while exists (
        select from directory.seat t
        where t.slot_id = p_slot
            and (t.state = 'free' or (t.state = 'held' and t.until <= kernel.regul_now())))
    loop
        update directory.seat s
        set state = 'held', claim = p_claim, until = kernel.regul_now() + p_for
        where s.slot_id = p_slot and s.number = (
            select t.number from directory.seat t
            where t.slot_id = p_slot
                and (t.state = 'free' or (t.state = 'held' and t.until <= kernel.regul_now()))
            order by t.number limit 1 for update)
            and (s.state = 'free' or (s.state = 'held' and s.until <= kernel.regul_now()))
        returning s.number into v_number;
        exit when found;
    end loop;
    return v_number;
end $$;

revoke execute on function directory.released_at, directory.quota_used, directory.spent_days,
    directory.directory_refusal, directory.directory_lock_consent, directory.directory_take_quota
    from public;
grant execute on function directory.released_at, directory.quota_used, directory.spent_days,
    directory.directory_refusal, directory.directory_lock_consent, directory.directory_take_quota
    to regul_app, regul_system;
grant select on directory.source_limit to regul_app;
grant select, insert, update on directory.source_limit to regul_system;
grant select, insert, update on directory.quota_day to regul_app, regul_system;
