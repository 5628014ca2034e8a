-- Free room in every page keeps the frequent balance updates on the page of their row (HOT).
create table wallets (
    id bigint generated always as identity constraint wallets_pkey primary key,
    user_id bigint
        constraint wallets_user_id_fkey references users (id),
    -- Which of the treasury's wallets this is; users' wallets have none.
    lane smallint,
    asset_type text not null
        constraint wallets_asset_type_fkey references asset_types (code),
    balance numeric(24, 4) not null default 0,
    -- The sum of all that the wallet ever gained; what it ever gave is this minus the balance.
    credit_total numeric(24, 4) not null default 0,
    -- The number of its entries.
    version bigint not null default 0,
    last_posted_at timestamptz,
    created_at timestamptz not null default now(),
    constraint wallets_user_id_asset_type_key unique (user_id, asset_type),
    constraint wallets_lane_asset_type_key unique (lane, asset_type),
    constraint wallets_have_one_owner check (num_nonnulls(user_id, lane) = 1),
    -- NaN is greater than every number.
    constraint wallets_are_numbers check (balance < 'NaN' and credit_total >= 0 and credit_total < 'NaN'),
    constraint wallets_balance_not_negative check (lane is not null or balance >= 0),
    constraint wallets_balance_limit check (lane is not null or balance <= 1000000000000000)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

create trigger wallets_refuse_truncate before truncate on wallets
    for each statement execute function refuse_change();
create trigger wallets_refuse_delete before delete on wallets
    for each row when (old.version > 0) execute function refuse_change();
