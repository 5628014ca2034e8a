-- What happened on each day (UTC), summed up so that a chart of years costs as little as one of a
-- week. A job adds to it what the treasury's wallets got since it looked last: their entries are
-- numbered without gaps, so that none is missed or counted twice. What moves between users alone is
-- not in it.
create table daily_figures (
    day date not null,
    asset_type text not null
        constraint daily_figures_asset_type_fkey references asset_types (code),
    transaction_type text not null
        constraint daily_figures_transaction_type
        check (transaction_type in ('claim', 'top_up', 'bonus', 'spend', 'adjustment', 'reversal')),
    transactions bigint not null
        constraint daily_figures_transactions check (transactions > 0),
    -- What users gained, and what they gave.
    issued numeric not null
        constraint daily_figures_issued check (issued >= 0),
    returned numeric not null
        constraint daily_figures_returned check (returned >= 0),
    constraint daily_figures_pkey primary key (day, asset_type, transaction_type)
);

-- How far the job has come in each of the treasury's wallets.
create table figure_marks (
    wallet_id bigint constraint figure_marks_pkey primary key,
    version bigint not null,
    posted_at timestamptz not null
);

-- How many assets there are and what they are worth, as a job counted them last; looked at where
-- there are too many to count on every look.
create table supply_figures (
    asset_type text not null
        constraint supply_figures_asset_type_fkey references asset_types (code),
    status text not null
        constraint supply_figures_status check (status in ('available', 'claimed', 'expired')),
    assets bigint not null
        constraint supply_figures_assets check (assets >= 0),
    value numeric not null
        constraint supply_figures_value check (value >= 0),
    constraint supply_figures_pkey primary key (asset_type, status)
);

create table supply_counts (
    -- There is one row at most.
    id boolean constraint supply_counts_pkey primary key default true
        constraint supply_counts_one_row check (id),
    counted_at timestamptz not null,
    took_ms integer not null
        constraint supply_counts_took_ms check (took_ms >= 0)
);
