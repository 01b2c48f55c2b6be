-- Background components say that they live; the API tells operators who fell silent.

create table kernel.heartbeat (
    component text primary key constraint heartbeat_component_shape check (component ~ '^[a-z_.]{1,40}$'),
    healthy boolean not null,
    beat_at timestamptz not null default kernel.regul_now()
);
grant select on kernel.heartbeat to regul_app, regul_system;
grant insert, update on kernel.heartbeat to regul_system;
