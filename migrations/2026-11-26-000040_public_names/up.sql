-- A public name means the same user for ever: instances remember whom it means, and so do people.
create function refuse_another_public_name() returns trigger
language plpgsql as $$
begin
    raise exception 'the public name of a user never changes' using errcode = 'integrity_constraint_violation';
end $$;

create trigger users_keep_public_name
    before update of external_id on users
    for each row when (old.external_id is distinct from new.external_id)
    execute function refuse_another_public_name();
