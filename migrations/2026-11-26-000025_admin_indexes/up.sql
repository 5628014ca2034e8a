-- A campaign's counts and their values come from the index alone.
create index assets_campaign_values_index on assets (campaign_id, status, expires_at) include (amount)
    where campaign_id is not null;
drop index assets_campaign_counts_index;

-- What has expired lies far behind what is new; claims never touch this one.
create index assets_expired_index on assets (id desc) where status = 'expired';

-- The log by what was done, and by the day.
create index audit_log_action_index on audit_log (action, id desc);
create index audit_log_created_at_index on audit_log (created_at, id);
