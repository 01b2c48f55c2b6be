-- Who offers what, where: organisations, locations, practitioners, roles, care services, links.
-- No patient stands here, so no row-level security: visibility and consent decide what is shown.

create schema directory;
grant usage on schema directory to regul_app, regul_system;

create table directory.organisation (
    id uuid primary key,
    name text not null,
    kind text not null constraint organisation_kind_known check (kind in (
        'hospital', 'practice', 'health_house', 'health_centre', 'community', 'ambulance', 'pharmacy',
        'laboratory', 'telehealth', 'centre')),
    parent_id uuid references directory.organisation,
    finess text constraint organisation_finess_unique unique
        constraint organisation_finess_shape check (finess ~ '^[0-9][0-9AB][0-9]{7}$'),
    siret text constraint organisation_siret_shape check (siret ~ '^[0-9]{14}$'),
    constraint organisation_not_its_own_parent check (parent_id <> id)
);

create table directory.location (
    id uuid primary key,
    organisation_id uuid not null references directory.organisation,
    territory_id uuid not null references kernel.territory,
    name text not null,
    lon double precision not null constraint location_lon_range check (lon between -180 and 180),
    lat double precision not null constraint location_lat_range check (lat between -90 and 90),
    zone text not null,
    commune text not null,
    postcode text not null,
    department text not null,
    accessibility text[] not null default '{}'
);

create table directory.practitioner (
    id uuid primary key,
    rpps text not null constraint practitioner_rpps_unique unique
        constraint practitioner_rpps_shape check (rpps ~ '^[0-9]{11}$'),
    family text not null,
    given text not null
);

create table directory.role (
    id uuid primary key,
    practitioner_id uuid not null references directory.practitioner,
    organisation_id uuid not null references directory.organisation,
    location_id uuid not null references directory.location,
    service text not null
);

create table directory.care_service (
    id uuid primary key,
    organisation_id uuid not null references directory.organisation,
    location_id uuid not null references directory.location,
    role_id uuid references directory.role,
    name text not null,
    service text not null,
    skills text[] not null default '{}',
    modalities text[] not null constraint care_service_modalities_known check (
        modalities <> '{}'
        and modalities <@ array['office', 'home_visit', 'teleconsultation', 'telephone']),
    intake text not null constraint care_service_intake_known check (intake in ('appointment', 'referral')),
    accepts text[] not null default '{}' constraint care_service_accepts_known check (
        accepts <@ array['walk_in', 'overbooking']),
    min_age_months integer not null default 0,
    max_age_months integer,
    languages text[] not null default '{fr}',
    accessibility text[] not null default '{}',
    coverage_m integer constraint care_service_coverage_positive check (coverage_m > 0),
    coverage_communes text[] not null default '{}',
    referral_required boolean not null default false,
    round_the_clock boolean not null default true,
    phone text,
    active boolean not null default true,
    constraint care_service_age_range check (
        min_age_months >= 0 and (max_age_months is null or max_age_months > min_age_months))
);
create index care_service_by_service on directory.care_service (service, id);
create index care_service_by_organisation on directory.care_service (organisation_id);

-- Weekly hours in local time of a care service that is not open round the clock.
create table directory.opening (
    care_service_id uuid not null references directory.care_service,
    weekday smallint not null constraint opening_weekday_range check (weekday between 0 and 6),
    opens_min smallint not null,
    closes_min smallint not null,
    constraint opening_once primary key (care_service_id, weekday, opens_min),
    constraint opening_order check (opens_min >= 0 and opens_min < closes_min and closes_min <= 1440)
);

create table directory.referral_link (
    source_id uuid not null references directory.care_service,
    target_id uuid not null references directory.care_service,
    constraint referral_link_once primary key (source_id, target_id)
);

grant select on directory.organisation, directory.location, directory.practitioner, directory.role,
    directory.care_service, directory.opening, directory.referral_link to regul_app;
grant select, insert, update on directory.organisation, directory.location, directory.practitioner,
    directory.role, directory.care_service, directory.opening, directory.referral_link to regul_system;
