drop table entries;
drop function check_inserted_entries();
