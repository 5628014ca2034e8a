-- Another index has all that these had.
drop index assets_campaign_values_index;
drop index assets_available_campaign_index;
