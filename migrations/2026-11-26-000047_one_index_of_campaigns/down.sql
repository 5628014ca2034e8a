create index assets_available_campaign_index on assets (campaign_id, id) where status = 'available';
create index assets_campaign_values_index on assets (campaign_id, status, expires_at) include (amount)
    where campaign_id is not null;
