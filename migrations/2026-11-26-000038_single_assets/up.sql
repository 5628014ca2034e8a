-- The pool shows the assets of a campaign as one, and those of none one by one: newest first, and those that
-- run out first. Those of a large campaign would stand in the way of both.
create index assets_single_index on assets (id desc) where status = 'available' and campaign_id is null;
create index assets_single_expiring_index on assets (expires_at)
    where status = 'available' and campaign_id is null and expires_at is not null;
