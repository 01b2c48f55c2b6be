-- A claim has one seat, a need one case: planned for a thousand rows, a booking read the whole table of slots.
alter function directory.directory_book(uuid) rows 1;
alter function triage.triage_wanted(uuid) rows 1;
