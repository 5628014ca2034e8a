create table claims (
    asset_id bigint constraint claims_pkey primary key,
    user_id bigint not null,
    transaction_id uuid not null,
    claimed_at timestamptz not null
);

create index claims_user_id_index on claims (user_id, claimed_at desc, asset_id desc);
create index claims_claimed_at_index on claims (claimed_at desc, asset_id desc);

-- What foreign keys would say, and more, at once for all that a statement inserts.
create function check_inserted_claims() returns trigger language plpgsql as $$
begin
    if exists (
        select from inserted_claims c
        left join assets a on a.id = c.asset_id
        left join transactions t on t.id = c.transaction_id
        left join wallets w on w.id = t.credit_wallet_id
        where a.status is distinct from 'claimed'
            or t.asset_id is distinct from c.asset_id
            or t.created_at <> c.claimed_at
            or t.amount <> a.amount
            or t.asset_type <> a.asset_type
            or w.user_id is distinct from c.user_id
    ) then
        raise exception 'a claim needs its claimed asset and a transaction of the same amount and owner'
            using errcode = 'foreign_key_violation', constraint = 'claims_of_asset', table = 'claims';
    end if;
    return null;
end
$$;

create trigger claims_check_inserted after insert on claims
    referencing new table as inserted_claims
    for each statement execute function check_inserted_claims();
create trigger claims_refuse_change before update or delete or truncate on claims
    for each statement execute function refuse_change();
