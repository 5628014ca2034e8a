-- A campaign's counts come from the index alone. The old one serves until the new one is there.
create index assets_campaign_counts_index on assets (campaign_id, status, expires_at) where campaign_id is not null;
drop index assets_campaign_index;
