-- One claim in one call.
\set user random(:first_user, :last_user)
select claim_in_one_call(:user, nextval('bench_credit'));
