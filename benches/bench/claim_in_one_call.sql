-- One claim as one call of a function: the nine statements of naive_claim.sql without their round
-- trips. Only for the measurement.
create or replace function claim_in_one_call(claimant bigint, wanted bigint) returns uuid language plpgsql as $$
declare
    transaction constant uuid := gen_random_uuid();
    posted_at constant timestamptz := clock_timestamp();
    credit assets;
    theirs wallets;
    treasury wallets;
begin
    select * into strict credit from assets where id = wanted and status = 'available' for update;
    select * into strict theirs from wallets
    where user_id = claimant and asset_type = credit.asset_type for update;
    select * into strict treasury from wallets where lane = 0 and asset_type = credit.asset_type for update;
    update assets set status = 'claimed', version = version + 1 where id = credit.id;
    update wallets
    set balance = balance + credit.amount, credit_total = credit_total + credit.amount, version = version + 1,
        last_posted_at = posted_at
    where id = theirs.id;
    update wallets set balance = balance - credit.amount, version = version + 1, last_posted_at = posted_at
    where id = treasury.id;
    insert into transactions (id, type, asset_type, amount, debit_wallet_id, debit_version, credit_wallet_id,
                              credit_version, asset_id, requested_by, created_at)
    values (transaction, 'claim', credit.asset_type, credit.amount, treasury.id, treasury.version + 1, theirs.id,
            theirs.version + 1, credit.id, claimant, posted_at);
    insert into entries (wallet_id, created_at, version, transaction_id, amount, balance_before, balance_after,
                         credit_total)
    values (treasury.id, posted_at, treasury.version + 1, transaction, -credit.amount, treasury.balance,
            treasury.balance - credit.amount, treasury.credit_total),
           (theirs.id, posted_at, theirs.version + 1, transaction, credit.amount, theirs.balance,
            theirs.balance + credit.amount, theirs.credit_total + credit.amount);
    insert into claims (asset_id, user_id, transaction_id, claimed_at)
    values (credit.id, claimant, transaction, posted_at);
    return transaction;
end
$$;
