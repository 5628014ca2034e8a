create table assets (
    id bigint generated always as identity constraint assets_pkey primary key,
    code text not null
        constraint assets_code_key unique
        constraint assets_code_shape check (code ~ '^[2-9A-HJ-NP-Z]{13}$'),
    title text not null
        constraint assets_title_length check (length(title) between 1 and 200),
    description text not null default ''
        constraint assets_description_length check (length(description) <= 2000),
    kind text not null
        constraint assets_kind check (kind in ('signup', 'referral', 'promotional')),
    asset_type text not null
        constraint assets_asset_type_fkey references asset_types (code),
    amount numeric(24, 4) not null
        constraint assets_amount check (amount > 0 and amount <= 1000000000000),
    status text not null default 'available'
        constraint assets_status check (status in ('available', 'claimed', 'expired')),
    expires_at timestamptz,
    campaign_id bigint
        constraint assets_campaign_id_fkey references campaigns (id),
    recreated_from bigint
        constraint assets_recreated_from_fkey references assets (id)
        constraint assets_recreated_from_key unique,
    version bigint not null default 1,
    created_at timestamptz not null default now(),
    constraint assets_expired_had_an_expiry check (status <> 'expired' or expires_at is not null)
) with (fillfactor = 80);

-- The pool that users look through, newest first.
create index assets_available_index on assets (id desc) where status = 'available';
create index assets_available_campaign_index on assets (campaign_id, id) where status = 'available';
-- What the expiry job looks for.
create index assets_expiring_index on assets (expires_at) where status = 'available' and expires_at is not null;
create index assets_campaign_index on assets (campaign_id) where campaign_id is not null;

create trigger assets_refuse_change_of_claimed before update or delete on assets
    for each row when (old.status = 'claimed') execute function refuse_change();
create trigger assets_refuse_truncate before truncate on assets
    for each statement execute function refuse_change();
