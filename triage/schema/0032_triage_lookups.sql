-- Who called about a case is found without reading every caller.
create index caller_of_case on triage.caller (case_id) where case_id is not null;
