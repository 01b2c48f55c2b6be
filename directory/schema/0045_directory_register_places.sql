-- What a register of people brings is found by organisation, commune and number.

create index location_by_organisation on directory.location (organisation_id, commune);
create index role_by_practitioner on directory.role (practitioner_id);
create index organisation_by_siret on directory.organisation (siret) where siret is not null;
