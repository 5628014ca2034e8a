drop index assets_single_index;
