-- A unit's decimals are fixed once anything is counted in it. Whoever counts holds the row's key
-- (FOR KEY SHARE, as foreign keys do); whoever changes the scale takes it FOR UPDATE first.
create function check_scale_is_unused() returns trigger language plpgsql as $$
begin
    if exists (select from wallets where asset_type = old.code)
        or exists (select from assets where asset_type = old.code)
        or exists (select from campaigns where asset_type = old.code)
    then
        raise exception 'the scale of % is fixed, since it is in use', old.code
            using errcode = 'restrict_violation', constraint = 'asset_types_scale_is_fixed', table = 'asset_types';
    end if;
    return new;
end
$$;

create trigger asset_types_scale_is_fixed before update on asset_types
    for each row when (old.scale <> new.scale) execute function check_scale_is_unused();
