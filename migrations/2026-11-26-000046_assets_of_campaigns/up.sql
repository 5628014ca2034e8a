-- One index for what a campaign has: its counts and values come from the index alone, and what it offers comes
-- in the order in which it is given away, without a sort of all of it.
create index concurrently assets_campaign_index on assets (campaign_id, status, id) include (expires_at, amount)
    where campaign_id is not null;
