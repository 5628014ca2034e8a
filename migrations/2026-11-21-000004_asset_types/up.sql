create table asset_types (
    code text constraint asset_types_pkey primary key
        constraint asset_types_code_shape check (code ~ '^[A-Z][A-Z0-9]{1,11}$'),
    name text not null
        constraint asset_types_name_length check (length(name) between 1 and 100),
    scale smallint not null
        constraint asset_types_scale check (scale between 0 and 4),
    minimum_balance numeric(24, 4) not null default 0
        constraint asset_types_minimum_balance check (minimum_balance >= 0 and minimum_balance <= 1000000000000000),
    transferable boolean not null default false,
    created_at timestamptz not null default now()
);
