alter table api_keys drop column form_id;
