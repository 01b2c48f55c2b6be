-- A human may have a parked event tried again, or let it be; how full the streams are is told.

alter table events.dead_letter
    add column replay_wanted_at timestamptz,
    add column tries integer not null default 0
        constraint dead_letter_tries_counted check (tries >= 0),
    add column settled_how text
        constraint dead_letter_settled_known check (settled_how in ('replayed', 'dismissed'));
create index dead_letter_wanted on events.dead_letter (consumer, position)
    where settled_at is null and replay_wanted_at is not null;

-- Share of the bytes that a stream may hold, 0 to 1; none for other components.
alter table events.health
    add column filled real constraint health_filled_share check (filled >= 0);
