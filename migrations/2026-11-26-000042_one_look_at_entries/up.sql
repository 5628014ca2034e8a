-- The same checks as before, with one look at each entry, its transaction and its wallet instead of two.
-- Only what is refused is looked at again, to say why.
--
-- Each entry must be one of the two that its transaction names; no two can be the same one, by their
-- key; so all transactions have both where there are twice as many entries as transactions, and both
-- sum to zero, since one is the amount and the other takes it.
create or replace function check_inserted_entries() returns trigger language plpgsql as $$
declare
    is_sound boolean;
    broken record;
begin
    with looked as materialized (
        select e.wallet_id, e.version, e.transaction_id, w.version as wallet_version,
               t.xmin = pg_current_xact_id()::xid and e.created_at = t.created_at
               and w.asset_type = t.asset_type
               and ((e.wallet_id = t.debit_wallet_id and e.version = t.debit_version and e.amount = -t.amount)
                    or (e.wallet_id = t.credit_wallet_id and e.version = t.credit_version and e.amount = t.amount))
               and (e.version < w.version or (w.balance = e.balance_after and w.credit_total = e.credit_total))
               as is_sound
        from inserted_entries e
        left join transactions t on t.id = e.transaction_id
        left join wallets w on w.id = e.wallet_id
    )
    select bool_and(l.is_sound is true) and count(*) = 2 * count(distinct l.transaction_id)
           -- Per wallet: its newest entries, without a gap, up to where it stands now.
           and not exists (
               select from looked
               group by wallet_id, wallet_version
               having max(version) <> wallet_version or count(*) <> max(version) - min(version) + 1
           )
    into is_sound
    from looked l;
    -- There is nothing to look at where a statement inserts nothing.
    if coalesce(is_sound, true) then
        return null;
    end if;
    select e.transaction_id, count(*) <> 2 or sum(e.amount) <> 0 as unbalanced,
           not bool_and(t.id is not null and t.xmin = pg_current_xact_id()::xid and e.created_at = t.created_at and (
               (e.wallet_id = t.debit_wallet_id and e.version = t.debit_version and e.amount = -t.amount)
               or (e.wallet_id = t.credit_wallet_id and e.version = t.credit_version and e.amount = t.amount)
           )) as unnamed
    into broken
    from inserted_entries e
    left join transactions t on t.id = e.transaction_id
    group by e.transaction_id
    order by unbalanced desc, unnamed desc
    limit 1;
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
