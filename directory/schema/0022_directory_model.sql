-- What an offer needs beside its speciality (equipment, tariff sector, wishes taken), opening hours with
-- exceptions, zones with their on-call rotas, affiliations, substitutes, and every number a thing is known by.

alter table directory.care_service
    add column equipment text[] not null default '{}',
    add column sector text constraint care_service_sector_known check (
        sector in ('sector_1', 'sector_2', 'sector_2_optam', 'not_contracted')),
    -- What public holidays mean for the weekly hours.
    add column holidays text not null default 'open' constraint care_service_holidays_known check (
        holidays in ('open', 'closed', 'as_sunday')),
    -- Behind `phone`: the number on which a call is handed over with its caller, for the staff of centres.
    add column transfer_phone text,
    drop constraint care_service_accepts_known,
    add constraint care_service_accepts_known check (
        accepts <@ array['walk_in', 'overbooking', 'new_patients', 'third_party_payment']);
alter table directory.care_service alter column accepts set default '{new_patients}';
-- Nobody has said no so far.
update directory.care_service set accepts = array_append(accepts, 'new_patients');

-- A date beats the weekly hours. A day without a span is closed; several rows are several spans.
create table directory.opening_exception (
    care_service_id uuid not null references directory.care_service,
    day date not null,
    opens_min smallint not null default 0,
    closes_min smallint not null default 0,
    constraint opening_exception_once primary key (care_service_id, day, opens_min),
    constraint opening_exception_order check (
        (opens_min = 0 and closes_min = 0)
        or (opens_min >= 0 and opens_min < closes_min and closes_min <= 1440))
);

-- An area that is served: a sector of on-call duty, an ambulance sector, ...
create table directory.coverage_zone (
    id uuid primary key,
    territory_id uuid not null references kernel.territory,
    name text not null,
    line text not null constraint coverage_zone_line_known check (
        line in ('doctor', 'ambulance', 'pharmacy', 'dentist')),
    communes text[] not null constraint coverage_zone_communes_some check (communes <> '{}'),
    constraint coverage_zone_name_once unique (territory_id, line, name)
);
create index coverage_zone_by_commune on directory.coverage_zone using gin (communes);

-- Who is on call for a zone, from when until when; several at once are called by rank.
create table directory.on_call (
    zone_id uuid not null references directory.coverage_zone,
    starts_at timestamptz not null,
    rank smallint not null default 1 constraint on_call_rank_range check (rank between 1 and 9),
    ends_at timestamptz not null,
    care_service_id uuid not null references directory.care_service,
    -- Of the duty, where it is not the care service's own.
    phone text,
    constraint on_call_once primary key (zone_id, starts_at, rank),
    constraint on_call_order check (starts_at < ends_at)
);
create index on_call_by_care_service on directory.on_call (care_service_id, ends_at);

alter table directory.organisation
    drop constraint organisation_kind_known,
    add constraint organisation_kind_known check (kind in (
        'hospital', 'practice', 'health_house', 'health_centre', 'community', 'ambulance', 'pharmacy',
        'laboratory', 'telehealth', 'centre', 'hospital_group'));

-- What an organisation belongs to beside its parent: a community (CPTS), a health house, a hospital group.
create table directory.affiliation (
    member_id uuid not null references directory.organisation,
    group_id uuid not null references directory.organisation,
    since date not null default '-infinity',
    until date not null default 'infinity',
    constraint affiliation_once primary key (member_id, group_id, since),
    constraint affiliation_order check (since < until),
    constraint affiliation_not_its_own_member check (member_id <> group_id)
);
create index affiliation_by_group on directory.affiliation (group_id);

-- Who stands in for whom.
create table directory.substitution (
    role_id uuid not null references directory.role,
    substitute_id uuid not null references directory.practitioner,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    constraint substitution_once primary key (role_id, starts_at),
    constraint substitution_order check (starts_at < ends_at)
);
create index substitution_by_substitute on directory.substitution (substitute_id);

-- Numbers and partners' ids beside FINESS, SIRET and RPPS of the rows themselves; bare.
create table directory.identifier (
    system text not null constraint identifier_system_known check (
        system in ('rpps', 'adeli', 'finess', 'siret', 'rpps_rank', 'adeli_rank', 'own')),
    -- Who gave a number that is nobody else's (system `own`); else empty.
    source text not null default '',
    value text not null constraint identifier_value_length check (length(value) between 1 and 200),
    noun text not null constraint identifier_noun_known check (
        noun in ('organisation', 'location', 'practitioner', 'role', 'care_service')),
    id uuid not null,
    checked boolean not null default true,
    constraint identifier_once primary key (system, source, value, noun),
    constraint identifier_own_has_source check ((system = 'own') = (source <> ''))
);
create index identifier_by_id on directory.identifier (id);

grant select on directory.opening_exception, directory.coverage_zone, directory.on_call,
    directory.affiliation, directory.substitution, directory.identifier to regul_app, regul_system;
grant insert, update, delete on directory.opening_exception, directory.coverage_zone, directory.on_call,
    directory.affiliation, directory.substitution, directory.identifier, directory.opening,
    directory.referral_link to regul_app, regul_system;
grant insert on directory.opening, directory.referral_link to regul_app;
grant update (accepts, equipment, sector, holidays, transfer_phone, phone, languages, accessibility,
    min_age_months, max_age_months, coverage_m, round_the_clock, active, skills)
    on directory.care_service to regul_app;
