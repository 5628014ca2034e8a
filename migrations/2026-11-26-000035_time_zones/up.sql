-- The zone in which a user wants to read times: a name of the IANA's database; null for the reader's own.
alter table users add column time_zone text
    constraint users_time_zone_shape check (time_zone ~ '^[A-Za-z0-9_+/-]{1,64}$');
