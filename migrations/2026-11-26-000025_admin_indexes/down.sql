drop index audit_log_created_at_index;
drop index audit_log_action_index;
drop index assets_expired_index;
create index assets_campaign_counts_index on assets (campaign_id, status, expires_at) where campaign_id is not null;
drop index assets_campaign_values_index;
