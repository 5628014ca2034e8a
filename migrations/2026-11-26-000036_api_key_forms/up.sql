-- The form that a key was asked for with, so that one sent twice makes one key; null for the API's.
alter table api_keys add column form_id uuid;
alter table api_keys add constraint api_keys_form_id_key unique (user_id, form_id);
