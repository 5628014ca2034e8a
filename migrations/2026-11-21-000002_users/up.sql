create table users (
    id bigint generated always as identity constraint users_pkey primary key,
    external_id text not null
        constraint users_external_id_key unique
        constraint users_external_id_shape check (external_id ~ '^[a-z0-9_.-]{3,64}$'),
    -- The three logins have shapes that do not overlap: no username holds an @ or starts with a +.
    username text
        constraint users_username_key unique
        constraint users_username_shape check (username ~ '^[a-z0-9_.-]{3,32}$'),
    email text
        constraint users_email_key unique
        constraint users_email_shape check (email = lower(email) and email like '_%@_%._%'),
    phone_number text
        constraint users_phone_number_key unique
        constraint users_phone_number_shape check (phone_number ~ '^\+[1-9][0-9]{7,14}$'),
    -- bcrypt over base64(HMAC-SHA-256(label, password)).
    password_hash text not null,
    role text not null default 'user'
        constraint users_role check (role in ('user', 'admin')),
    status text not null default 'active'
        constraint users_status check (status in ('active', 'frozen')),
    created_at timestamptz not null default now(),
    constraint users_have_a_login check (num_nonnulls(username, email, phone_number) > 0)
);
