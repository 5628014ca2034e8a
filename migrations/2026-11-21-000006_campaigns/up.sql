create table campaigns (
    id bigint generated always as identity constraint campaigns_pkey primary key,
    title text not null
        constraint campaigns_title_length check (length(title) between 1 and 200),
    description text not null default '',
    kind text not null
        constraint campaigns_kind check (kind in ('signup', 'referral', 'promotional')),
    asset_type text not null
        constraint campaigns_asset_type_fkey references asset_types (code),
    amount numeric(24, 4) not null
        constraint campaigns_amount check (amount > 0 and amount <= 1000000000000),
    starts_at timestamptz,
    ends_at timestamptz,
    per_user_limit integer not null default 1
        constraint campaigns_per_user_limit check (per_user_limit > 0),
    paused boolean not null default false,
    created_at timestamptz not null default now(),
    constraint campaigns_end_later check (ends_at > starts_at)
);
