-- The pool shows the assets of a campaign as one, and those of none one by one, the newest first: those of
-- a large campaign would stand in the way.
create index concurrently assets_single_index on assets (id desc)
    where status = 'available' and campaign_id is null;
