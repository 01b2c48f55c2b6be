-- A slot carries copies of what its schedule belongs to (care service, organisation, location, territory). Four foreign
-- keys asked of each row only that those exist; one look at all rows of a statement now asks that they are the
-- schedule's own, which says more and costs a tenth: a fortnight of a clinic is two thousand rows. What they point to
-- cannot vanish: the schedule holds its care service, and that its organisation and location, by foreign keys.

create function directory.slot_copies_schedule() returns trigger language plpgsql
    -- Planned for look-ups by key, however many rows the first statement of a session brings.
    set enable_hashjoin = off set enable_mergejoin = off
as $$
begin
    if exists (
        select from (
            select distinct schedule_id, care_service_id, organisation_id, location_id, territory_id
            from fresh) n
        where not exists (
            select from directory.schedule s
                join directory.care_service c on c.id = s.care_service_id
                join directory.location l on l.id = c.location_id
            where s.id = n.schedule_id and c.id = n.care_service_id
                and c.organisation_id = n.organisation_id and l.id = n.location_id
                and l.territory_id = n.territory_id))
    then
        raise exception 'a slot stands where its schedule does'
            using errcode = 'check_violation', constraint = 'slot_copies_schedule',
                schema = 'directory', table = 'slot';
    end if;
    return null;
end $$;

create trigger slot_copies_schedule after insert on directory.slot
    referencing new table as fresh
    for each statement execute function directory.slot_copies_schedule();

-- Copies are for life, like the times of a slot.
create function directory.slot_refuse_move() returns trigger language plpgsql as $$
begin
    raise exception 'a slot never changes its place'
        using errcode = 'check_violation', constraint = 'slot_never_moves',
            schema = 'directory', table = 'slot';
end $$;
create trigger slot_never_moves before update of schedule_id, care_service_id, organisation_id, location_id, territory_id
    on directory.slot for each row execute function directory.slot_refuse_move();

alter table directory.slot
    drop constraint slot_care_service_id_fkey,
    drop constraint slot_organisation_id_fkey,
    drop constraint slot_location_id_fkey,
    drop constraint slot_territory_id_fkey;
