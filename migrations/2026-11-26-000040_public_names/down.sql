drop trigger users_keep_public_name on users;
drop function refuse_another_public_name();
