-- As before, but that the assets are found by their key, whatever the planner knew of the table at the time,
-- and that only one array is unrolled where a table is written: in a function that has them apart already, an
-- element of another costs less by its number than as a row of its own.

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
    -- No plan that is kept can use an index for one status: whatever it is on offer would be compared with
    -- the whole batch, where the plan was made while that was next to nothing.
    available constant text := 'available';
begin
    update wallets w
    set balance = balances[i], credit_total = credit_totals[i], version = versions[i], last_posted_at = moved_at[i]
    from unnest(moved_wallets) with ordinality n (wallet, i)
    where w.id = n.wallet;
    get diagnostics written = row_count;
    if written <> cardinality(moved_wallets) then
        raise exception 'a wallet has gone' using errcode = 'serialization_failure';
    end if;

    insert into transactions (id, type, asset_type, amount, debit_wallet_id, debit_version, credit_wallet_id,
                              credit_version, asset_id, reverses, requested_by, description, metadata, reason,
                              created_at)
    select posting, types[i], asset_types[i], amounts[i], debit_wallets[i], debit_versions[i], credit_wallets[i],
           credit_versions[i], claimed_assets[i], reversed[i], requesters[i], descriptions[i], metadatas[i],
           reasons[i], posted_at[i]
    from unnest(ids) with ordinality n (posting, i);

    insert into entries (wallet_id, created_at, version, transaction_id, amount, balance_before, balance_after,
                         credit_total)
    select debit_wallets[i], posted_at[i], debit_versions[i], posting, -amounts[i],
           debit_balances[i] + amounts[i], debit_balances[i], debit_credit_totals[i]
    from unnest(ids) with ordinality n (posting, i)
    union all
    select credit_wallets[i], posted_at[i], credit_versions[i], posting, amounts[i],
           credit_balances[i] - amounts[i], credit_balances[i], credit_credit_totals[i]
    from unnest(ids) with ordinality n (posting, i);

    if array_position(types, 'claim') is not null then
        update assets set status = 'claimed', version = version + 1
        where id = any (claimed_assets) and status = available;
        get diagnostics written = row_count;
        if written <> cardinality(array_remove(claimed_assets, null)) then
            raise exception 'an asset has been taken' using errcode = 'serialization_failure';
        end if;
        insert into claims (asset_id, user_id, transaction_id, claimed_at, campaign_id, campaign_claim)
        select asset, claimants[i], ids[i], posted_at[i], claimed_campaigns[i], campaign_claims[i]
        from unnest(claimed_assets) with ordinality n (asset, i)
        where asset is not null;
    end if;

    if cardinality(keys) > 0 then
        -- In one order in every batch, so that two with the same keys cannot wait for each other.
        insert into idempotency_keys (user_id, key, request_hash, item, transaction_id, owned_with, created_at)
        select key_users[i], used, request_hashes[i], key_items[i], key_transactions[i], owned_with[i], keyed_at
        from unnest(keys) with ordinality n (used, i)
        order by key_users[i], used, key_items[i]
        on conflict do nothing;
        get diagnostics written = row_count;
        if written <> cardinality(keys) then
            raise exception 'a key has been used' using errcode = 'serialization_failure';
        end if;
    end if;
end
$$;
