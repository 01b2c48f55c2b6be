-- Claims an idempotency key inside a statement of another room, with the reference of what is made in it. False: the
-- key was used before, and the answer is read again the long way.
create function kernel.idempotency_once(p_actor uuid, p_key text, p_digest bytea, p_reference uuid)
returns boolean language plpgsql as $$
begin
    insert into kernel.idempotency (actor_id, key, digest, reference)
    values (p_actor, p_key, p_digest, p_reference)
    on conflict on constraint idempotency_one_effect do nothing;
    return found;
end $$;
revoke execute on function kernel.idempotency_once from public;
grant execute on function kernel.idempotency_once to regul_app;
