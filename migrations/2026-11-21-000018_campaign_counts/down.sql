drop index assets_campaign_index;
create index assets_campaign_index on assets (campaign_id) where campaign_id is not null;
