drop index assets_recreated_from_key;
alter table assets add constraint assets_recreated_from_key unique (recreated_from);
