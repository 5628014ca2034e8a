drop trigger asset_types_scale_is_fixed on asset_types;
drop function check_scale_is_unused();
