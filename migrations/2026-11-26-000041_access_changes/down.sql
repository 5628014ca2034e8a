drop trigger api_keys_count_truncate on api_keys;
drop trigger sessions_count_truncate on sessions;
drop trigger users_count_access_change on users;
drop trigger api_keys_count_lost_access on api_keys;
drop trigger api_keys_count_access_change on api_keys;
drop trigger sessions_count_lost_access on sessions;
drop trigger sessions_count_access_change on sessions;
drop function count_access_change();
drop table access_changes;
