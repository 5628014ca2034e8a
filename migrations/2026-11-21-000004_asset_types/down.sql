drop table asset_types;
