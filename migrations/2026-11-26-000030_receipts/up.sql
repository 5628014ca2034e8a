-- Receipts: one for each user whose wallet a transaction touched, so that each sees its own balance.
-- A row is made when somebody asks, or by the job, which goes through the transactions after this
-- migration. What a receipt says can be made again at any time, for the ledger never changes: so
-- the file is kept for a while only, the row and its code for ever.
create table receipts (
    transaction_id uuid not null,
    user_id bigint not null
        constraint receipts_user_id_fkey references users (id),
    -- What confirms the receipt to anyone: 80 random bits.
    code text not null
        constraint receipts_code_key unique
        constraint receipts_code check (code ~ '^[2-9A-HJ-NP-Z]{16}$'),
    status text not null default 'pending'
        constraint receipts_status check (status in ('pending', 'ready', 'failed', 'cleared')),
    -- How often a job has begun with it, whether or not it came to an end.
    attempts smallint not null default 0
        constraint receipts_attempts check (attempts between 0 and 3),
    -- When a job may take it next. Whoever takes it puts this off, so that nobody else takes it
    -- meanwhile, and somebody does should the taker vanish.
    next_attempt_at timestamptz not null,
    -- Why the last attempt failed.
    error text,
    pdf bytea,
    made_at timestamptz,
    created_at timestamptz not null,
    constraint receipts_pkey primary key (transaction_id, user_id),
    constraint receipts_ready_has_file check ((status = 'ready') = (pdf is not null)),
    constraint receipts_failed_has_error check (status <> 'failed' or error is not null)
);

create index receipts_pending_index on receipts (next_attempt_at) where status = 'pending';
create index receipts_failed_index on receipts (next_attempt_at) where status = 'failed';
create index receipts_ready_index on receipts (made_at) where status = 'ready';

-- How far the job has come among the transactions, by their ids, which are in the order of time.
create table receipt_marks (
    -- There is one row.
    id boolean constraint receipt_marks_pkey primary key default true
        constraint receipt_marks_one_row check (id),
    transaction_id uuid not null
);

-- A UUIDv7 begins with its time in milliseconds: this one is smaller than all that come.
insert into receipt_marks (transaction_id)
select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;
