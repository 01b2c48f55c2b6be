-- Territory, actors, keys, audit, idempotency: what cannot be added later.
-- Runs under regul_owner. regul_app = requests, regul_system = the service's workers.

create schema kernel;
grant usage on schema kernel to regul_app, regul_system;

-- The clock of every safety decision. Test databases may replace it; `serve` refuses one that is.
create function kernel.regul_now() returns timestamptz language sql volatile
    as $$ select clock_timestamp() $$;

create function kernel.current_actor() returns uuid language sql stable parallel safe
    as $$ select nullif(current_setting('regul.actor', true), '')::uuid $$;
create function kernel.current_territory() returns uuid language sql stable parallel safe
    as $$ select nullif(current_setting('regul.territory', true), '')::uuid $$;
create function kernel.current_organisations() returns uuid[] language sql stable parallel safe
    as $$ select coalesce(nullif(current_setting('regul.organisations', true), ''), '{}')::uuid[] $$;

create table kernel.territory (
    id uuid primary key,
    code text not null constraint territory_code_unique unique,
    name text not null,
    time_zone text not null,
    country text not null constraint territory_country_shape check (country ~ '^[A-Z]{2}$')
);

create table kernel.actor (
    id uuid primary key,
    role text not null constraint actor_role_known check (role in (
        'operator', 'osnp', 'physician', 'ioa', 'supervisor', 'clinic', 'delegate', 'partner',
        'patient_link', 'administrator', 'auditor', 'system')),
    territory_id uuid references kernel.territory,
    organisation_ids uuid[] not null default '{}',
    label text not null,
    language text not null default 'fr' constraint actor_language_known check (language in ('fr', 'en')),
    delegations text[] not null default '{}',
    login text constraint actor_login_unique unique,
    password_hash text,
    api_key_hash bytea constraint actor_api_key_unique unique,
    active boolean not null default true,
    created_at timestamptz not null default kernel.regul_now(),
    -- The centre's staff belong to a territory, clinics and partners to organisations.
    constraint actor_scope_fits_role check (case
        when role in ('operator', 'osnp', 'physician', 'ioa', 'supervisor') then territory_id is not null
        when role in ('clinic', 'delegate', 'partner') then territory_id is null and organisation_ids <> '{}'
        else true end)
);
insert into kernel.actor (id, role, label)
values ('00000000-0000-7000-8000-000000000001', 'system', 'Régul');

create table kernel.session (
    token_hash bytea primary key,
    actor_id uuid not null references kernel.actor,
    created_at timestamptz not null default kernel.regul_now(),
    expires_at timestamptz not null
);

-- Wrapped data keys. Destroying `wrapped` destroys what the key sealed.
create table kernel.key (
    id uuid primary key,
    territory_id uuid not null references kernel.territory,
    wrapped bytea,
    created_at timestamptz not null default kernel.regul_now(),
    shredded_at timestamptz,
    constraint key_shredded_is_empty check ((wrapped is null) = (shredded_at is not null))
);

create table kernel.idempotency (
    actor_id uuid not null references kernel.actor,
    key text not null,
    digest bytea not null,
    reference uuid,
    created_at timestamptz not null default kernel.regul_now(),
    constraint idempotency_one_effect primary key (actor_id, key)
);

create table kernel.audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default kernel.regul_now(),
    actor_id uuid not null,
    action text not null,
    resource_kind text not null,
    resource_id uuid,
    case_id uuid,
    territory_id uuid,
    request_id text not null default '',
    detail text not null default ''
);
create index audit_of_case on kernel.audit (case_id) where case_id is not null;
create table kernel.audit_pending (audit_id bigint primary key references kernel.audit);
create table kernel.audit_chain (
    position bigint primary key,
    audit_id bigint not null constraint audit_chain_once unique references kernel.audit,
    hash bytea not null
);

create function kernel.audit_record(a kernel.audit) returns text language sql stable as $$
    select json_build_array(a.id, extract(epoch from a.at)::text, a.actor_id, a.action,
        a.resource_kind, a.resource_id, a.case_id, a.territory_id, a.request_id, a.detail)::text
$$;

create function kernel.audit_append(
    p_actor uuid, p_action text, p_kind text, p_resource uuid, p_case uuid, p_territory uuid,
    p_request text, p_detail text
) returns void language sql security definer set search_path = kernel, pg_temp as $$
    with written as (
        insert into kernel.audit
            (actor_id, action, resource_kind, resource_id, case_id, territory_id, request_id, detail)
        values (p_actor, p_action, p_kind, p_resource, p_case, p_territory, p_request, p_detail)
        returning id)
    insert into kernel.audit_pending (audit_id) select id from written
$$;

create function kernel.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'rows of % are never changed', tg_table_name using errcode = 'restrict_violation';
end $$;
create trigger audit_append_only before update or delete or truncate on kernel.audit
    for each statement execute function kernel.refuse_change();
create trigger audit_chain_append_only before update or delete or truncate on kernel.audit_chain
    for each statement execute function kernel.refuse_change();

-- Audit rows are seen by the territory's auditors only (`kernel/permissions.toml` says who).
alter table kernel.audit enable row level security;
alter table kernel.audit force row level security;
create policy audit_owner on kernel.audit to regul_owner using (true);
create policy audit_system on kernel.audit to regul_system using (true);
create policy audit_scope on kernel.audit for select to regul_app
    using (territory_id = (select kernel.current_territory()));

grant select on kernel.territory to regul_app, regul_system;
grant insert on kernel.territory to regul_system;
grant select on kernel.actor to regul_app, regul_system;
grant insert, update on kernel.actor to regul_system;
grant select, insert, delete on kernel.session to regul_app, regul_system;
grant select, insert on kernel.key to regul_app, regul_system;
grant update (wrapped, shredded_at) on kernel.key to regul_system;
grant select, insert, update on kernel.idempotency to regul_app;
grant delete, select on kernel.idempotency to regul_system;
grant select on kernel.audit to regul_app, regul_system;
grant select, delete on kernel.audit_pending to regul_system;
grant select, insert on kernel.audit_chain to regul_system;
