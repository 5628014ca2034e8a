create or replace function check_inserted_entries() returns trigger language plpgsql as $$
declare
    broken record;
begin
    select e.transaction_id, count(*) <> 2 or sum(e.amount) <> 0 as unbalanced,
           not bool_and(t.id is not null and t.xmin = pg_current_xact_id()::xid and e.created_at = t.created_at and (
               (e.wallet_id = t.debit_wallet_id and e.version = t.debit_version and e.amount = -t.amount)
               or (e.wallet_id = t.credit_wallet_id and e.version = t.credit_version and e.amount = t.amount)
           )) as unnamed
    into broken
    from inserted_entries e
    left join transactions t on t.id = e.transaction_id
    group by e.transaction_id
    having count(*) <> 2
        or sum(e.amount) <> 0
        or not bool_and(
            t.id is not null and t.xmin = pg_current_xact_id()::xid and e.created_at = t.created_at and (
                (e.wallet_id = t.debit_wallet_id and e.version = t.debit_version and e.amount = -t.amount)
                or (e.wallet_id = t.credit_wallet_id and e.version = t.credit_version and e.amount = t.amount)
            )
        )
    limit 1;
    if not found then
        -- Per wallet: its newest entries, without a gap, up to where it stands now.
        select min(e.transaction_id::text) as transaction_id, false as unbalanced, false as unnamed
        into broken
        from inserted_entries e
        left join transactions t on t.id = e.transaction_id
        left join wallets w on w.id = e.wallet_id
        group by e.wallet_id, w.version
        having w.version is null
            or max(e.version) <> w.version
            or count(*) <> max(e.version) - min(e.version) + 1
            or not bool_and(
                w.asset_type = t.asset_type
                and (e.version < w.version or (w.balance = e.balance_after and w.credit_total = e.credit_total))
            )
        limit 1;
        if not found then
            return null;
        end if;
    end if;
    if broken.unbalanced then
        raise exception 'the entries of transaction % must be two that sum to zero', broken.transaction_id
            using errcode = 'check_violation', constraint = 'entries_balanced', table = 'entries';
    elsif broken.unnamed then
        raise exception 'the entries of transaction % must be the ones that it names', broken.transaction_id
            using errcode = 'foreign_key_violation', constraint = 'entries_of_transaction', table = 'entries';
    end if;
    raise exception 'the wallets of transaction % must exist and hold what their newest entry says',
        broken.transaction_id
        using errcode = 'foreign_key_violation', constraint = 'entries_of_wallet', table = 'entries';
end
$$;
