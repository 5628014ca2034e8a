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
--   * the entries of a transaction come in one statement, are the two that the transaction names,
--     and sum to zero: so none can join later, since its key would be taken;
--   * every wallet exists, is of the transaction's asset type, and stands where its newest entry
--     says.
create function check_inserted_entries() returns trigger language plpgsql as $$
begin
    if exists (
        select from inserted_entries group by transaction_id having count(*) <> 2 or sum(amount) <> 0
    ) then
        raise exception 'entries of a transaction must be two that sum to zero'
            using errcode = 'check_violation', constraint = 'entries_balanced', table = 'entries';
    end if;
    if exists (
        select from inserted_entries e
        left join transactions t on t.id = e.transaction_id
        where t.id is null
            or e.created_at <> t.created_at
            or not (
                (e.wallet_id = t.debit_wallet_id and e.version = t.debit_version and e.amount = -t.amount)
                or (e.wallet_id = t.credit_wallet_id and e.version = t.credit_version and e.amount = t.amount)
            )
    ) then
        raise exception 'entries must be the ones that their transaction names'
            using errcode = 'foreign_key_violation', constraint = 'entries_of_transaction', table = 'entries';
    end if;
    if exists (
        select from inserted_entries e
        left join wallets w on w.id = e.wallet_id
        where w.id is null
            or w.version < e.version
            or (w.version = e.version and (w.balance <> e.balance_after or w.credit_total <> e.credit_total))
    ) then
        raise exception 'wallets must exist and hold what their newest entry says'
            using errcode = 'foreign_key_violation', constraint = 'entries_of_wallet', table = 'entries';
    end if;
    return null;
end
$$;

create trigger entries_check_inserted after insert on entries
    referencing new table as inserted_entries
    for each statement execute function check_inserted_entries();
create trigger entries_refuse_change before update or delete or truncate on entries
    for each statement execute function refuse_change();
