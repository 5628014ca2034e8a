-- Of those that belong to no campaign, the ones that run out first.
create index concurrently assets_single_expiring_index on assets (expires_at)
    where status = 'available' and campaign_id is null and expires_at is not null;
