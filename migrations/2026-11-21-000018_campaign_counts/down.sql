create index assets_campaign_index on assets (campaign_id) where campaign_id is not null;
drop index assets_campaign_counts_index;
