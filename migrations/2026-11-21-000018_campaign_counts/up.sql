-- A campaign's counts come from the index alone.
drop index assets_campaign_index;
create index assets_campaign_index on assets (campaign_id, status, expires_at) where campaign_id is not null;
