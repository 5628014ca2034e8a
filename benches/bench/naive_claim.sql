-- One claim as it is usually written: lock the asset, lock the user's and the treasury's wallet,
-- update both, write the transaction, its entries and the claim. Nine statements between begin and
-- commit, on Coffer's own schema, with the one treasury wallet that all claims share.
\set user random(:first_user, :last_user)
select nextval('bench_credit') as asset, gen_random_uuid() as transaction \gset
begin;
select amount, asset_type from assets where id = :asset and status = 'available' for update \gset
select id as user_wallet, balance as user_balance, credit_total as user_credit, version + 1 as user_version from wallets where user_id = :user and asset_type = :asset_type for update \gset
select id as treasury, balance as treasury_balance, credit_total as treasury_credit, version + 1 as treasury_version, clock_timestamp() as posted_at from wallets where lane = 0 and asset_type = :asset_type for update \gset
update assets set status = 'claimed', version = version + 1 where id = :asset;
update wallets set balance = balance + :amount, credit_total = credit_total + :amount, version = version + 1, last_posted_at = :posted_at where id = :user_wallet;
update wallets set balance = balance - :amount, version = version + 1, last_posted_at = :posted_at where id = :treasury;
insert into transactions (id, type, asset_type, amount, debit_wallet_id, debit_version, credit_wallet_id, credit_version, asset_id, requested_by, created_at) values (:transaction, 'claim', :asset_type, :amount, :treasury, :treasury_version, :user_wallet, :user_version, :asset, :user, :posted_at);
insert into entries (wallet_id, created_at, version, transaction_id, amount, balance_before, balance_after, credit_total) values (:treasury::bigint, :posted_at::timestamptz, :treasury_version::bigint, :transaction::uuid, - :amount::numeric, :treasury_balance::numeric, :treasury_balance::numeric - :amount::numeric, :treasury_credit::numeric), (:user_wallet::bigint, :posted_at::timestamptz, :user_version::bigint, :transaction::uuid, :amount::numeric, :user_balance::numeric, :user_balance::numeric + :amount::numeric, :user_credit::numeric + :amount::numeric);
insert into claims (asset_id, user_id, transaction_id, claimed_at) values (:asset, :user, :transaction, :posted_at);
commit;
