drop table claims;
drop function check_inserted_claims();
