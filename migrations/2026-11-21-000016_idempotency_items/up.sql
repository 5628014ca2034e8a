-- A batch of transactions has one key and an answer for each of its items, counted from 1; its row
-- 0 holds the key for the whole request. Every other request is one item, number 0.
alter table idempotency_keys
    add column item integer not null default 0
        constraint idempotency_keys_item check (item >= 0),
    -- Where the caller owned the asset already: the balance that it was told.
    add column owned_with numeric(24, 4),
    alter column transaction_id drop not null,
    add constraint idempotency_keys_items_have_transactions check (item = 0 or transaction_id is not null),
    drop constraint idempotency_keys_pkey,
    add constraint idempotency_keys_pkey primary key (user_id, key, item);
