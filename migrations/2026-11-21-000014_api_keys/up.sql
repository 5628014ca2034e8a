create table api_keys (
    id bigint generated always as identity constraint api_keys_pkey primary key,
    user_id bigint not null
        constraint api_keys_user_id_fkey references users (id) on delete cascade,
    name text not null
        constraint api_keys_name check (char_length(name) between 1 and 100),
    -- SHA-256 of the secret, which is shown once and kept nowhere.
    secret_hash bytea not null
        constraint api_keys_secret_hash check (octet_length(secret_hash) = 32),
    may_read boolean not null,
    may_write boolean not null,
    -- Keeps the owner's admin role; without it the key of an admin acts as a user.
    may_administer boolean not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    expires_at timestamptz,
    constraint api_keys_have_a_scope check (may_read or may_write or may_administer),
    constraint api_keys_expire_later check (expires_at > created_at)
);

create index api_keys_user_id_index on api_keys (user_id, id desc);
create index api_keys_expires_at_index on api_keys (expires_at);
