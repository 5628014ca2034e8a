create or replace function check_inserted_claims() returns trigger language plpgsql as $$
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

drop index claims_campaign_claim_key;
alter table claims drop column campaign_id, drop column campaign_claim;
