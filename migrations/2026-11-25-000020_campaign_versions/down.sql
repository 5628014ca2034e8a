alter table campaigns drop column version;
