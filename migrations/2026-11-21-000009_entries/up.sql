create table entries (
    wallet_id bigint not null,
    -- The transaction's time. Within a wallet it never runs backwards, so the key is in the order
    -- of versions, and a range of dates is a range of the key.
    created_at timestamptz not null,
    version bigint not null
        constraint entries_version check (version > 0),
    transaction_id uuid not null,
    amount numeric(24, 4) not null
        constraint entries_amount check (amount <> 0),
    balance_before numeric(24, 4) not null,
    balance_after numeric(24, 4) not null,
    -- The wallet's credit_total after this entry.
    credit_total numeric(24, 4) not null,
    constraint entries_pkey primary key (wallet_id, created_at, version),
    constraint entries_balance_after check (balance_before + amount = balance_after)
);

-- One look at all that a statement inserts, instead of foreign keys and row triggers (which halve
-- the throughput). It holds that
--   * the entries of a transaction come in one statement, in the database transaction that inserted
--     it (its xmin), are the two that it names, and sum to zero: so none can join later;
--   * every wallet exists, is of the transaction's asset type, and stands where the newest of these
--     entries says, which follow on each other.
create function check_inserted_entries() returns trigger language plpgsql as $$
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

create trigger entries_check_inserted after insert on entries
    referencing new table as inserted_entries
    for each statement execute function check_inserted_entries();
create trigger entries_refuse_change before update or delete or truncate on entries
    for each statement execute function refuse_change();
