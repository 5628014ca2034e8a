create table sessions (
    id uuid constraint sessions_pkey primary key,
    user_id bigint not null
        constraint sessions_user_id_fkey references users (id) on delete cascade,
    kind text not null
        constraint sessions_kind check (kind in ('browser', 'api')),
    -- Counts the refresh tokens of this session; only the one with the current number is alive.
    refresh_generation integer not null default 0,
    user_agent text not null default '',
    ip_address text not null default '',
    created_at timestamptz not null default now(),
    last_used_at timestamptz not null default now(),
    expires_at timestamptz not null,
    ended_at timestamptz,
    constraint sessions_expire_later check (expires_at > created_at)
);

create index sessions_user_id_index on sessions (user_id, last_used_at desc);
create index sessions_expires_at_index on sessions (expires_at);
