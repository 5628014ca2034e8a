delete from idempotency_keys where item > 0 or transaction_id is null;
alter table idempotency_keys
    drop constraint idempotency_keys_pkey,
    add constraint idempotency_keys_pkey primary key (user_id, key),
    drop column item,
    drop column owned_with,
    alter column transaction_id set not null;
