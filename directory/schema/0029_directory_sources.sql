-- How the diary of a mirrored source is booked (its own interface, or a link for a human), and when the worker asks
-- each feed again.

-- Sources with a booking interface; the others are booked by link, by hand, or by the clinic's own answer.
create table directory.booking_source (
    source text primary key,
    address text not null constraint booking_source_address_shape check (
        address ~ '^https?://[^[:space:]]+$' and length(address) <= 500),
    -- Seconds after booking in which the source has to have said yes.
    answer_within_s integer not null default 60
        constraint booking_source_answer_range check (answer_within_s between 5 and 3600),
    -- Name of the file, in the folder of REGUL_SOURCE_CREDENTIALS, that holds the bearer token; the token is not here.
    credential text constraint booking_source_credential_shape check (credential ~ '^[a-z0-9_-]{1,64}$'),
    active boolean not null default true,
    changed_at timestamptz not null default kernel.regul_now()
);

-- Where a human books a slot at its source, as the feed says.
create table directory.slot_link (
    slot_id uuid primary key references directory.slot,
    url text not null constraint slot_link_shape check (url ~ '^https://[^[:space:]]+$' and length(url) <= 2000)
);

-- Who holds the diary of a slot, for screens: one owner.
create function directory.directory_owner(p_slot uuid) returns text language sql stable as $$
    select case c.ownership when 'mirrored' then c.source end
    from directory.slot l join directory.schedule c on c.id = l.schedule_id where l.id = p_slot
$$;

-- How a slot of a mirrored diary is booked where it is kept. No row: it is our own diary, or its source has neither an
-- interface nor a link, so that the clinic itself answers.
create function directory.directory_channel(p_slot uuid)
returns table (source text, channel text, answer_within_s integer, slot_key text, schedule_key text, url text)
language sql stable as $$
    select c.source, case when b.source is null then 'link' else 'api' end, coalesce(b.answer_within_s, 900), l.key,
        coalesce((
            select a.key from directory.feed_alias a
            where a.id = c.id and a.noun = 'schedule' order by a.feed_id limit 1), c.id::text),
        k.url
    from directory.slot l
        join directory.schedule c on c.id = l.schedule_id
        left join directory.booking_source b on b.source = c.source and b.active
        left join directory.slot_link k on k.slot_id = l.id
    where l.id = p_slot and c.ownership = 'mirrored' and (b.source is not null or k.url is not null)
$$;

-- A source says that a place is not to be had: the seat of this claim and those nobody has are withdrawn, the slot too
-- when none is left, so that a later feed may publish it anew. Locks: slot, then its seats in order.
create function directory.directory_gone(p_claim uuid) returns boolean language plpgsql as $$
declare
    v_slot uuid;
    v_left integer;
begin
    select s.slot_id into v_slot from directory.seat s where s.claim = p_claim;
    if not found then
        return false;
    end if;
    perform 1 from directory.slot l where l.id = v_slot for update;
    perform 1 from directory.seat s where s.slot_id = v_slot order by s.number for update;
    update directory.seat s set state = 'withdrawn', claim = null, until = null
    where s.slot_id = v_slot and (s.claim = p_claim or s.state = 'free'
        or (s.state = 'held' and s.until <= kernel.regul_now()));
    select count(*) into v_left from directory.seat s
    where s.slot_id = v_slot and s.state in ('held', 'booked');
    update directory.slot l
    set capacity = case when v_left = 0 then l.capacity else v_left end,
        withdrawn_at = case when v_left = 0 then coalesce(l.withdrawn_at, kernel.regul_now()) else l.withdrawn_at end
    where l.id = v_slot;
    return true;
end $$;

-- When the worker asks each feed: one runner at a time, by a lease that counts up whoever had it.
create table directory.feed_poll (
    feed_id uuid primary key references directory.feed,
    -- 0 = never by itself.
    interval_s integer not null constraint feed_poll_interval_range check (interval_s between 0 and 604800),
    due_at timestamptz not null default kernel.regul_now(),
    generation bigint not null default 0,
    leased_until timestamptz,
    failures integer not null default 0 constraint feed_poll_failures_positive check (failures >= 0),
    -- Code of the last failure; null after a success.
    problem text
);
create index feed_poll_due on directory.feed_poll (due_at) where interval_s > 0;
insert into directory.feed_poll (feed_id, interval_s)
select id, case when kind in ('finess', 'rpps') then 86400 else 300 end from directory.feed;

revoke execute on function directory.directory_owner, directory.directory_channel, directory.directory_gone from public;
grant execute on function directory.directory_owner, directory.directory_channel, directory.directory_gone
    to regul_app, regul_system;
grant select on directory.booking_source, directory.slot_link, directory.feed_poll to regul_app;
grant select, insert, update on directory.booking_source, directory.slot_link, directory.feed_poll to regul_system;
grant delete on directory.slot_link to regul_system;
