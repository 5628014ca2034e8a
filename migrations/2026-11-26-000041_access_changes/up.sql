-- Counts the changes after which what was known of a session, an API key or their user may be wrong, so
-- that whoever remembers them learns by one row whether that still holds. New rows and longer lives
-- change nothing of what is known.
create table access_changes (
    id boolean primary key default true constraint access_changes_one_row check (id),
    number bigint not null default 0
);
insert into access_changes default values;

create function count_access_change() returns trigger language plpgsql as $$
begin
    update access_changes set number = number + 1;
    return null;
end
$$;

-- Deferred, so that the one row is locked last of all, and two that change access cannot wait for each
-- other; and counted with the change or not at all.
create constraint trigger sessions_count_access_change after update on sessions
    deferrable initially deferred for each row
    when (old.ended_at is distinct from new.ended_at or new.expires_at < old.expires_at or old.kind <> new.kind
          or old.user_id <> new.user_id)
    execute function count_access_change();
create constraint trigger sessions_count_lost_access after delete on sessions
    deferrable initially deferred for each row
    when (old.ended_at is null)
    execute function count_access_change();
create constraint trigger api_keys_count_access_change after update on api_keys
    deferrable initially deferred for each row
    when ((old.user_id, old.secret_hash, old.may_read, old.may_write, old.may_administer, old.expires_at)
          is distinct from
          (new.user_id, new.secret_hash, new.may_read, new.may_write, new.may_administer, new.expires_at))
    execute function count_access_change();
create constraint trigger api_keys_count_lost_access after delete on api_keys
    deferrable initially deferred for each row
    execute function count_access_change();
create constraint trigger users_count_access_change after update on users
    deferrable initially deferred for each row
    when ((old.external_id, old.username, old.email, old.phone_number, old.role, old.status, old.time_zone)
          is distinct from
          (new.external_id, new.username, new.email, new.phone_number, new.role, new.status, new.time_zone))
    execute function count_access_change();
-- Emptying a table fires nothing per row; whoever does it has the table alone until the end.
create trigger sessions_count_truncate after truncate on sessions
    for each statement execute function count_access_change();
create trigger api_keys_count_truncate after truncate on api_keys
    for each statement execute function count_access_change();
