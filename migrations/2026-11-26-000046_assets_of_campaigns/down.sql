drop index assets_campaign_index;
