create table audit_log (
    id bigint generated always as identity constraint audit_log_pkey primary key,
    -- Nobody where a job or the command line acted.
    actor_id bigint
        constraint audit_log_actor_id_fkey references users (id),
    action text not null
        constraint audit_log_action_shape check (action ~ '^[a-z_]+\.[a-z_]+$'),
    target text not null,
    reason text not null default '',
    before jsonb,
    after jsonb,
    request_id text not null default '',
    ip_address text not null default '',
    created_at timestamptz not null
);

create index audit_log_target_index on audit_log (target, id desc);
create index audit_log_actor_id_index on audit_log (actor_id, id desc);

create trigger audit_log_refuse_change before update or delete or truncate on audit_log
    for each statement execute function refuse_change();
