-- What years leave, in an empty database: 100 entries of each of {users} users, two wallets each, and
-- 13 assets per user, of which 10 are claimed; of 100,000 users that makes 10 million entries. Written
-- without the triggers, and right all the same, so that the proof of the books holds. A wallet's every
-- fifth transaction, from the first on, is a claim; then come a bonus, two top-ups and a spend of 2,
-- all else being of 1.
set session_replication_role = replica;
set synchronous_commit = off;
set statement_timeout = 0;
set maintenance_work_mem = '512MB';
-- Row by row, in no order of its own, the key of the entries would take most of the time.
alter table entries drop constraint entries_pkey;

create function pg_temp.at(n bigint) returns timestamptz language sql immutable as
    $$ select date_trunc('day', now()) - interval '89 days' + n * (interval '150000 seconds' / {users}) $$;
create function pg_temp.id(n bigint) returns uuid language sql immutable as
    $$ select ('019' || lpad(to_hex(n), 29, '0'))::uuid $$;
-- What the first n transactions of a wallet bring it in all, and leave it.
create function pg_temp.gained(n bigint) returns bigint language sql immutable as $$ select n - n / 5 $$;
create function pg_temp.kept(n bigint) returns bigint language sql immutable as $$ select n - n / 5 - 2 * (n / 5) $$;

insert into asset_types (code, name, scale) values ('GOLD', 'Gold Coins', 2), ('PTS', 'Loyalty Points', 0);
insert into users (external_id, username, password_hash)
select 'user_' || n, 'user_' || n, '' from generate_series(1, {users}) n;
insert into wallets (user_id, asset_type, balance, credit_total, version, last_posted_at)
select n / 2 + 1, case n % 2 when 0 then 'GOLD' else 'PTS' end, pg_temp.kept(25), pg_temp.gained(25), 25,
       pg_temp.at(24 * {wallets} + n)
from generate_series(0, {wallets} - 1) n;
insert into wallets (lane, asset_type, balance, credit_total, version, last_posted_at)
select 0, unit, -{users} * pg_temp.kept(25), {users} * (pg_temp.gained(25) - pg_temp.kept(25)), 25 * {users},
       pg_temp.at(25 * {wallets} - 2 + place)
from (values ('GOLD', 0), ('PTS', 1)) treasury (unit, place);

insert into campaigns (title, kind, asset_type, amount, per_user_limit)
select 'Campaign ' || n, 'promotional', case n % 2 when 0 then 'GOLD' else 'PTS' end, 1, 10000
from generate_series(1, 20) n;
insert into assets (code, title, kind, asset_type, amount, status, expires_at, version, created_at, campaign_id)
select translate(lpad(to_hex(n), 13, 'Z'), '01abcdef', 'XYABCDEF'), 'Credit ' || n,
       (array['signup', 'referral', 'promotional'])[n % 3 + 1], case n % 2 when 1 then 'GOLD' else 'PTS' end, 1,
       case when n <= 10 * {users} then 'claimed' when n <= 12 * {users} then 'available' else 'expired' end,
       case when n > 12 * {users} then now() end, case when n <= 10 * {users} then 2 else 1 end, pg_temp.at(0),
       case when n > 10 * {users} then n % 20 + 1 end
from generate_series(1, 13 * {users}) n;

-- The n-th transaction of all is the v-th of the wallet w.
insert into transactions (id, type, asset_type, amount, debit_wallet_id, debit_version, credit_wallet_id,
                          credit_version, asset_id, requested_by, created_at)
select pg_temp.id(n), (array['claim', 'bonus', 'top_up', 'top_up', 'spend'])[v % 5 + 1],
       case w % 2 when 0 then 'GOLD' else 'PTS' end, case v % 5 when 4 then 2 else 1 end,
       case v % 5 when 4 then w + 1 else {wallets} + 1 + w % 2 end, case v % 5 when 4 then v + 1 else n / 2 + 1 end,
       case v % 5 when 4 then {wallets} + 1 + w % 2 else w + 1 end, case v % 5 when 4 then n / 2 + 1 else v + 1 end,
       case v % 5 when 0 then v / 5 * {wallets} + w + 1 end, w / 2 + 1, pg_temp.at(n)
from (select n, n / {wallets} as v, n % {wallets} as w from generate_series(0, 25 * {wallets} - 1) n) n;
insert into entries (wallet_id, created_at, version, transaction_id, amount, balance_before, balance_after, credit_total)
select line.*
from (select n, n / {wallets} as v, n % {wallets} as w, n % {wallets} / 2 + 1 as place from generate_series(0, 25 * {wallets} - 1) n) n
cross join lateral (values
    (w + 1, pg_temp.at(n), v + 1, pg_temp.id(n), pg_temp.kept(v + 1) - pg_temp.kept(v), pg_temp.kept(v),
     pg_temp.kept(v + 1), pg_temp.gained(v + 1)),
    ({wallets} + 1 + w % 2, pg_temp.at(n), n / 2 + 1, pg_temp.id(n), pg_temp.kept(v) - pg_temp.kept(v + 1),
     -{users} * pg_temp.kept(v) - (place - 1) * (pg_temp.kept(v + 1) - pg_temp.kept(v)),
     -{users} * pg_temp.kept(v) - place * (pg_temp.kept(v + 1) - pg_temp.kept(v)),
     {users} * (pg_temp.gained(v) - pg_temp.kept(v)) + case v % 5 when 4 then 2 * place else 0 end)
) line;
insert into claims (asset_id, user_id, transaction_id, claimed_at)
select v / 5 * {wallets} + w + 1, w / 2 + 1, pg_temp.id(n), pg_temp.at(n)
from (select n, n / {wallets} as v, n % {wallets} as w from generate_series(0, 25 * {wallets} - 1) n) n
where v % 5 = 0;

alter table entries add constraint entries_pkey primary key (wallet_id, created_at, version);
set session_replication_role = origin;
vacuum analyze;
