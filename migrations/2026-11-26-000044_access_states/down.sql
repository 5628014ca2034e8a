create or replace function count_access_change() returns trigger language plpgsql as $$
begin
    update access_changes set number = number + 1;
    return null;
end
$$;
