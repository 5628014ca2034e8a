-- What a key was used for. The answer is made again from the transaction, which never changes.
create table idempotency_keys (
    user_id bigint not null,
    key text not null
        constraint idempotency_keys_key_length check (length(key) between 1 and 255),
    request_hash bytea not null
        constraint idempotency_keys_request_hash_length check (length(request_hash) = 32),
    transaction_id uuid not null,
    created_at timestamptz not null,
    constraint idempotency_keys_pkey primary key (user_id, key)
);

create index idempotency_keys_created_at_index on idempotency_keys (created_at);
