-- A transaction names its two entries by (wallet, created_at, version), the key of entries, so that
-- it needs no index there; what debit_wallet_id gives, credit_wallet_id gains.
-- There are no foreign keys here: each would lock the hot treasury's row once per transaction. The
-- set-based check behind the insert of entries does their work.
create table transactions (
    id uuid constraint transactions_pkey primary key,
    type text not null
        constraint transactions_type
        check (type in ('claim', 'top_up', 'bonus', 'spend', 'transfer', 'adjustment', 'reversal')),
    asset_type text not null,
    amount numeric(24, 4) not null
        -- NaN is greater than every number, so it is refused by the upper bound.
        constraint transactions_amount check (amount > 0 and amount <= 1000000000000),
    debit_wallet_id bigint not null,
    debit_version bigint not null,
    credit_wallet_id bigint not null,
    credit_version bigint not null,
    asset_id bigint,
    reverses uuid,
    requested_by bigint not null,
    description text not null default '',
    metadata jsonb,
    reason text,
    created_at timestamptz not null,
    constraint transactions_two_wallets check (debit_wallet_id <> credit_wallet_id),
    constraint transactions_claim_has_asset check ((type = 'claim') = (asset_id is not null)),
    constraint transactions_reversal_has_original check ((type = 'reversal') = (reverses is not null))
);

-- A transaction is reversed at most once.
create unique index transactions_reverses_key on transactions (reverses) where reverses is not null;

create trigger transactions_refuse_change before update or delete or truncate on transactions
    for each statement execute function refuse_change();
