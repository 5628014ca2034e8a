-- The number of a change of access is drawn, not counted: so a state of access has a number that no
-- other one has, of no other copy or restored backup of this database either, and whoever remembers
-- something may ask any connection whether it still holds.
create or replace function count_access_change() returns trigger language plpgsql as $$
begin
    update access_changes set number = (random() * 9007199254740992)::bigint;
    return null;
end
$$;
