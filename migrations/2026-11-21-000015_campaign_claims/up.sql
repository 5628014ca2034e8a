-- A user's claims in a campaign are numbered 1, 2, 3 …, so that no race can pass the campaign's limit
-- per user.
alter table claims
    add column campaign_id bigint,
    add column campaign_claim integer
        constraint claims_campaign_claim check (campaign_claim > 0),
    add constraint claims_of_campaign_are_numbered check ((campaign_id is null) = (campaign_claim is null));

create unique index claims_campaign_claim_key on claims (campaign_id, user_id, campaign_claim)
    where campaign_id is not null;

create or replace function check_inserted_claims() returns trigger language plpgsql as $$
begin
    if exists (
        select from inserted_claims c
        left join assets a on a.id = c.asset_id
        left join transactions t on t.id = c.transaction_id
        left join wallets w on w.id = t.credit_wallet_id
        left join campaigns p on p.id = c.campaign_id
        where a.status is distinct from 'claimed'
            or t.asset_id is distinct from c.asset_id
            or t.created_at <> c.claimed_at
            or t.amount <> a.amount
            or t.asset_type <> a.asset_type
            or w.user_id is distinct from c.user_id
            or c.campaign_id is distinct from a.campaign_id
            or c.campaign_claim > p.per_user_limit
    ) then
        raise exception 'a claim needs its claimed asset, a transaction of the same amount and owner, and room in '
            'its campaign'
            using errcode = 'foreign_key_violation', constraint = 'claims_of_asset', table = 'claims';
    end if;
    return null;
end
$$;
