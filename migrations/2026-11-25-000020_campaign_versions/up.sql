-- Counts a campaign's changes, from 1, so that two admins do not overwrite each other's.
alter table campaigns add column version bigint not null default 1;
