drop index assets_single_expiring_index;
drop index assets_single_index;
