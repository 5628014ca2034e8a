-- The number of a change of access is drawn, not counted: so no two states of access have the same one,
-- in two copies of this database either, and whoever remembers what somebody may do can ask over any
-- connection whether that still holds.
create or replace function count_access_change() returns trigger language plpgsql as $$
begin
    update access_changes set number = (random() * 9007199254740992)::bigint;
    return null;
end
$$;
update access_changes set number = (random() * 9007199254740992)::bigint;
