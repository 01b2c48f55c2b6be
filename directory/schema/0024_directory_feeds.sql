-- Publishers' feeds: what is asked where, each run with its faults, and every partner id as an alias
-- of ours. No patient stands here, so no row-level security.

create table directory.feed (
    id uuid primary key,
    kind text not null constraint feed_kind_known check (kind in ('smart', 'csv', 'fhir', 'finess', 'rpps')),
    address text not null,
    publisher text not null constraint feed_publisher_named check (publisher <> ''),
    zone text not null,
    country text not null constraint feed_country_shape check (country ~ '^[A-Z]{2}$'),
    territory_id uuid not null references kernel.territory,
    -- Under whom the places and diaries of the feed stand; registers bring organisations of their own.
    organisation_id uuid references directory.organisation,
    -- Of the last run that was done; `changed_at` says since when the content is the same.
    etag text,
    digest bytea,
    changed_at timestamptz,
    polled_at timestamptz,
    constraint feed_address_once unique (kind, address),
    constraint feed_of_diaries_has_organisation check (
        kind in ('finess', 'rpps') or organisation_id is not null)
);

-- What the publisher's own codes mean in ours; a code that is not here is quarantined.
create table directory.feed_code (
    feed_id uuid not null references directory.feed,
    code text not null,
    service text not null,
    constraint feed_code_once primary key (feed_id, code)
);

create table directory.feed_run (
    id uuid primary key,
    feed_id uuid not null references directory.feed,
    state text not null constraint feed_run_state_known check (
        state in ('running', 'held', 'done', 'abandoned')),
    started_at timestamptz not null default kernel.regul_now(),
    ended_at timestamptz,
    as_of timestamptz,
    digest bytea not null,
    etag text,
    -- Batches that are in: a run that was killed goes on from here.
    position integer not null default 0 constraint feed_run_position_positive check (position >= 0),
    share double precision not null default 0 constraint feed_run_share_range check (share between 0 and 1),
    released_by text,
    released_at timestamptz,
    constraint feed_run_ended check ((state in ('done', 'abandoned')) = (ended_at is not null)),
    constraint feed_run_released check ((released_by is null) = (released_at is null))
);
create unique index feed_run_one_open on directory.feed_run (feed_id) where state in ('running', 'held');
create index feed_run_by_feed on directory.feed_run (feed_id, started_at desc);

-- How many rows and faults of each sort a run had.
create table directory.feed_tally (
    run_id uuid not null references directory.feed_run,
    name text not null,
    value integer not null,
    constraint feed_tally_once primary key (run_id, name)
);

create table directory.feed_fault (
    run_id uuid not null references directory.feed_run,
    number integer not null,
    code text not null,
    noun text not null,
    key text not null,
    file text not null,
    line integer not null,
    original text not null,
    repaired text,
    constraint feed_fault_once primary key (run_id, number)
);

create table directory.feed_alias (
    feed_id uuid not null references directory.feed,
    noun text not null constraint feed_alias_noun_known check (
        noun in ('organisation', 'location', 'practitioner', 'role', 'schedule')),
    key text not null,
    id uuid not null,
    -- Of the row as published: the same again is not written again.
    fingerprint bytea not null,
    gone_at timestamptz,
    constraint feed_alias_once primary key (feed_id, noun, key)
);
create index feed_alias_by_id on directory.feed_alias (id);

grant select on directory.feed, directory.feed_code, directory.feed_run, directory.feed_tally,
    directory.feed_fault, directory.feed_alias to regul_app;
grant select, insert, update on directory.feed, directory.feed_code, directory.feed_run,
    directory.feed_tally, directory.feed_fault, directory.feed_alias to regul_system;
grant delete on directory.feed_tally, directory.feed_fault to regul_system;
