-- Writes the postings of one batch: each table once, however many postings there are. One call
-- instead of seven statements, since on an idle system their round trips cost more than their work.
-- What is written has been decided by the caller under the locks that it holds; the checks of the
-- tables stand behind it. Where the books moved all the same (a key or a claim that another batch
-- wrote) it raises serialization_failure, and the caller starts over.
create or replace function write_postings(
    -- One element per wallet.
    moved_wallets bigint[], balances numeric[], credit_totals numeric[], versions bigint[], moved_at timestamptz[],
    -- One element per posting.
    ids uuid[], types text[], asset_types text[], amounts numeric[],
    debit_wallets bigint[], debit_versions bigint[], debit_balances numeric[], debit_credit_totals numeric[],
    credit_wallets bigint[], credit_versions bigint[], credit_balances numeric[], credit_credit_totals numeric[],
    claimed_assets bigint[], claimants bigint[], claimed_campaigns bigint[], campaign_claims integer[],
    reversed uuid[], requesters bigint[], descriptions text[], metadatas jsonb[], reasons text[],
    posted_at timestamptz[],
    -- One element per idempotency key.
    key_users bigint[], keys text[], request_hashes bytea[], key_items integer[], key_transactions uuid[],
    owned_with numeric[], keyed_at timestamptz
) returns void language plpgsql as $$
-- Columns that share a name with a parameter are meant where a query has both.
#variable_conflict use_column
declare
    written bigint;
begin
    update wallets w
    set balance = n.balance, credit_total = n.credit_total, version = n.version, last_posted_at = n.moved_at
    from unnest(moved_wallets, balances, credit_totals, versions, moved_at)
        n (id, balance, credit_total, version, moved_at)
    where w.id = n.id;
    get diagnostics written = row_count;
    if written <> cardinality(moved_wallets) then
        raise exception 'a wallet has gone' using errcode = 'serialization_failure';
    end if;

    insert into transactions (id, type, asset_type, amount, debit_wallet_id, debit_version, credit_wallet_id,
                              credit_version, asset_id, reverses, requested_by, description, metadata, reason,
                              created_at)
    select * from unnest(ids, types, asset_types, amounts, debit_wallets, debit_versions, credit_wallets,
                         credit_versions, claimed_assets, reversed, requesters, descriptions, metadatas, reasons,
                         posted_at);

    insert into entries (wallet_id, created_at, version, transaction_id, amount, balance_before, balance_after,
                         credit_total)
    select debit_wallet, posted_at, debit_version, id, -amount, debit_balance + amount, debit_balance,
           debit_credit_total
    from unnest(ids, amounts, posted_at, debit_wallets, debit_versions, debit_balances, debit_credit_totals)
        n (id, amount, posted_at, debit_wallet, debit_version, debit_balance, debit_credit_total)
    union all
    select credit_wallet, posted_at, credit_version, id, amount, credit_balance - amount, credit_balance,
           credit_credit_total
    from unnest(ids, amounts, posted_at, credit_wallets, credit_versions, credit_balances, credit_credit_totals)
        n (id, amount, posted_at, credit_wallet, credit_version, credit_balance, credit_credit_total);

    if array_position(types, 'claim') is not null then
        -- Joined, so that each is looked up by its key: an array in the condition is tested on every
        -- available asset.
        update assets a set status = 'claimed', version = version + 1
        from unnest(claimed_assets) n (id)
        where a.id = n.id and a.status = 'available';
        get diagnostics written = row_count;
        if written <> cardinality(array_remove(claimed_assets, null)) then
            raise exception 'an asset has been taken' using errcode = 'serialization_failure';
        end if;
        insert into claims (asset_id, user_id, transaction_id, claimed_at, campaign_id, campaign_claim)
        select * from unnest(claimed_assets, claimants, ids, posted_at, claimed_campaigns, campaign_claims)
            n (asset, claimant, id, at, campaign, campaign_claim)
        where asset is not null;
    end if;

    if cardinality(keys) > 0 then
        -- In one order in every batch, so that two with the same keys cannot wait for each other.
        insert into idempotency_keys (user_id, key, request_hash, item, transaction_id, owned_with, created_at)
        select n.*, keyed_at from unnest(key_users, keys, request_hashes, key_items, key_transactions, owned_with)
            n (user_id, key, request_hash, item, transaction_id, owned_with)
        order by user_id, key, item
        on conflict do nothing;
        get diagnostics written = row_count;
        if written <> cardinality(keys) then
            raise exception 'a key has been used' using errcode = 'serialization_failure';
        end if;
    end if;
end
$$;
