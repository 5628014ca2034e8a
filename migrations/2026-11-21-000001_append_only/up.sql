-- Refuses a statement, whoever sends it: the trigger behind every table that only grows.
create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% of % is refused: its rows never change', tg_op, tg_table_name
        using errcode = 'restrict_violation', table = tg_table_name;
end
$$;
