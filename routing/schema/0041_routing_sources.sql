-- What is asked of the source of a mirrored diary for each appointment on it, until the source has said what is so.
-- The appointment decides who has the patient; a row here decides what is still to be said at the source.

create table routing.source_booking (
    appointment_id uuid primary key references routing.appointment,
    claim uuid not null,
    territory_id uuid not null,
    source text not null,
    channel text not null constraint source_booking_channel_known check (channel in ('api', 'link')),
    slot_key text not null,
    schedule_key text not null,
    url text,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    -- asking: wanted, no answer yet. confirmed, refused: what the source said. undoing: not wanted any more, and the
    -- source may have it. undone: the source has nothing.
    state text not null default 'asking' constraint source_booking_state_known check (
        state in ('asking', 'confirmed', 'refused', 'undoing', 'undone')),
    opened_at timestamptz not null default kernel.regul_now(),
    deadline timestamptz not null,
    due_at timestamptz not null default kernel.regul_now(),
    -- Counts each time the source was, or may have been, asked; also the fence of who writes the answer.
    attempts integer not null default 0 constraint source_booking_attempts_positive check (attempts >= 0),
    leased_until timestamptz,
    -- Code of the last answer, or of its absence.
    outcome text,
    -- What the source calls the appointment; of a human's answer what was written down.
    reference text constraint source_booking_reference_length check (length(reference) <= 200),
    settled_at timestamptz,
    settled_by uuid references kernel.actor,
    constraint source_booking_settled check ((state in ('asking', 'undoing')) = (settled_at is null)),
    constraint source_booking_link_has_url check (channel = 'api' or url is not null)
);
create index source_booking_due on routing.source_booking (due_at)
    where channel = 'api' and state in ('asking', 'undoing');
create index source_booking_late on routing.source_booking (deadline) where state = 'asking';

alter table routing.source_booking enable row level security;
alter table routing.source_booking force row level security;
create policy source_booking_owner on routing.source_booking to regul_owner using (true);
create policy source_booking_system on routing.source_booking to regul_system using (true);
create policy source_booking_scope on routing.source_booking to regul_app
    using (territory_id = (select kernel.current_territory())
        or exists (select from routing.appointment a where a.id = appointment_id));

grant select, insert on routing.source_booking to regul_app, regul_system;
grant update (state, due_at, attempts, leased_until, outcome, reference, settled_at, settled_by)
    on routing.source_booking to regul_app, regul_system;
