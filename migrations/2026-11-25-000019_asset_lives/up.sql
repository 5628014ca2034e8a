-- Most assets replace none, and what each claim writes of such an asset stays out of the index.
alter table assets drop constraint assets_recreated_from_key;
create unique index assets_recreated_from_key on assets (recreated_from) where recreated_from is not null;
