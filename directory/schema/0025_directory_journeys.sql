-- How patients travel: the estimate of each territory, and what a routing engine said of journeys from the communes
-- around each place. A search reads these and never waits for a router. No patient stands here, so no row-level security.

create table directory.travel_model (
    territory_id uuid primary key references kernel.territory,
    -- Road metres for each metre of the great circle.
    detour_factor double precision not null constraint travel_model_detour_range check (detour_factor between 1 and 3),
    speed_kmh double precision not null constraint travel_model_speed_range check (speed_kmh between 5 and 150),
    -- What every journey costs: leaving, parking.
    fixed_s double precision not null constraint travel_model_fixed_range check (fixed_s between 0 and 3600)
);

-- One row for each place: packed columns of the same length, one entry for each commune, in the order of the codes.
create table directory.journey (
    location_id uuid primary key references directory.location on delete cascade,
    -- Where the place was when the router was asked; it moved = the row is asked again.
    lon double precision not null,
    lat double precision not null,
    -- Five ASCII characters each.
    communes bytea not null,
    -- Little-endian int32 each; -1 = the router knows no way.
    duration_s bytea not null,
    road_m bytea not null,
    router text not null constraint journey_router_named check (router <> ''),
    asked_at timestamptz not null default kernel.regul_now(),
    constraint journey_columns_equal check (
        octet_length(communes) % 5 = 0 and octet_length(duration_s) = octet_length(communes) / 5 * 4
        and octet_length(road_m) = octet_length(duration_s))
);
create index journey_by_age on directory.journey (asked_at);

grant select on directory.travel_model, directory.journey to regul_app, regul_system;
grant insert, update, delete on directory.travel_model, directory.journey to regul_system;
