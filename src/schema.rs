// @generated automatically by Diesel CLI.

diesel::table! {
    access_changes (id) {
        id -> Bool,
        number -> Int8,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Int8,
        user_id -> Int8,
        name -> Text,
        secret_hash -> Bytea,
        may_read -> Bool,
        may_write -> Bool,
        may_administer -> Bool,
        created_at -> Timestamptz,
        last_used_at -> Nullable<Timestamptz>,
        expires_at -> Nullable<Timestamptz>,
        form_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    asset_types (code) {
        code -> Text,
        name -> Text,
        scale -> Int2,
        minimum_balance -> Numeric,
        transferable -> Bool,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    assets (id) {
        id -> Int8,
        code -> Text,
        title -> Text,
        description -> Text,
        kind -> Text,
        asset_type -> Text,
        amount -> Numeric,
        status -> Text,
        expires_at -> Nullable<Timestamptz>,
        campaign_id -> Nullable<Int8>,
        recreated_from -> Nullable<Int8>,
        version -> Int8,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    audit_log (id) {
        id -> Int8,
        actor_id -> Nullable<Int8>,
        action -> Text,
        target -> Text,
        reason -> Text,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
        request_id -> Text,
        ip_address -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    campaigns (id) {
        id -> Int8,
        title -> Text,
        description -> Text,
        kind -> Text,
        asset_type -> Text,
        amount -> Numeric,
        starts_at -> Nullable<Timestamptz>,
        ends_at -> Nullable<Timestamptz>,
        per_user_limit -> Int4,
        paused -> Bool,
        created_at -> Timestamptz,
        version -> Int8,
    }
}

diesel::table! {
    claims (asset_id) {
        asset_id -> Int8,
        user_id -> Int8,
        transaction_id -> Uuid,
        claimed_at -> Timestamptz,
        campaign_id -> Nullable<Int8>,
        campaign_claim -> Nullable<Int4>,
    }
}

diesel::table! {
    daily_figures (day, asset_type, transaction_type) {
        day -> Date,
        asset_type -> Text,
        transaction_type -> Text,
        transactions -> Int8,
        issued -> Numeric,
        returned -> Numeric,
    }
}

diesel::table! {
    entries (wallet_id, created_at, version) {
        wallet_id -> Int8,
        created_at -> Timestamptz,
        version -> Int8,
        transaction_id -> Uuid,
        amount -> Numeric,
        balance_before -> Numeric,
        balance_after -> Numeric,
        credit_total -> Numeric,
    }
}

diesel::table! {
    figure_marks (wallet_id) {
        wallet_id -> Int8,
        version -> Int8,
        posted_at -> Timestamptz,
    }
}

diesel::table! {
    idempotency_keys (user_id, key, item) {
        user_id -> Int8,
        key -> Text,
        request_hash -> Bytea,
        transaction_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        item -> Int4,
        owned_with -> Nullable<Numeric>,
    }
}

diesel::table! {
    imports (id) {
        id -> Uuid,
        user_id -> Int8,
        content -> Text,
        created_at -> Timestamptz,
        done_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    proofs (id) {
        id -> Int8,
        asked_by -> Nullable<Int8>,
        started_at -> Timestamptz,
        checked -> Int4,
        promises -> Int4,
        finished_at -> Nullable<Timestamptz>,
        verdict -> Nullable<Jsonb>,
    }
}

diesel::table! {
    receipt_marks (id) {
        id -> Bool,
        transaction_id -> Uuid,
    }
}

diesel::table! {
    receipts (transaction_id, user_id) {
        transaction_id -> Uuid,
        user_id -> Int8,
        code -> Text,
        status -> Text,
        attempts -> Int2,
        next_attempt_at -> Timestamptz,
        error -> Nullable<Text>,
        pdf -> Nullable<Bytea>,
        made_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    sessions (id) {
        id -> Uuid,
        user_id -> Int8,
        kind -> Text,
        refresh_generation -> Int4,
        user_agent -> Text,
        ip_address -> Text,
        created_at -> Timestamptz,
        last_used_at -> Timestamptz,
        expires_at -> Timestamptz,
        ended_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    supply_counts (id) {
        id -> Bool,
        counted_at -> Timestamptz,
        took_ms -> Int4,
    }
}

diesel::table! {
    supply_figures (asset_type, status) {
        asset_type -> Text,
        status -> Text,
        assets -> Int8,
        value -> Numeric,
    }
}

diesel::table! {
    transactions (id) {
        id -> Uuid,
        #[sql_name = "type"]
        type_ -> Text,
        asset_type -> Text,
        amount -> Numeric,
        debit_wallet_id -> Int8,
        debit_version -> Int8,
        credit_wallet_id -> Int8,
        credit_version -> Int8,
        asset_id -> Nullable<Int8>,
        reverses -> Nullable<Uuid>,
        requested_by -> Int8,
        description -> Text,
        metadata -> Nullable<Jsonb>,
        reason -> Nullable<Text>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    users (id) {
        id -> Int8,
        external_id -> Text,
        username -> Nullable<Text>,
        email -> Nullable<Text>,
        phone_number -> Nullable<Text>,
        password_hash -> Text,
        role -> Text,
        status -> Text,
        created_at -> Timestamptz,
        time_zone -> Nullable<Text>,
    }
}

diesel::table! {
    wallets (id) {
        id -> Int8,
        user_id -> Nullable<Int8>,
        lane -> Nullable<Int2>,
        asset_type -> Text,
        balance -> Numeric,
        credit_total -> Numeric,
        version -> Int8,
        last_posted_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::joinable!(api_keys -> users (user_id));
diesel::joinable!(assets -> asset_types (asset_type));
diesel::joinable!(assets -> campaigns (campaign_id));
diesel::joinable!(audit_log -> users (actor_id));
diesel::joinable!(campaigns -> asset_types (asset_type));
diesel::joinable!(daily_figures -> asset_types (asset_type));
diesel::joinable!(imports -> users (user_id));
diesel::joinable!(proofs -> users (asked_by));
diesel::joinable!(receipts -> users (user_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(supply_figures -> asset_types (asset_type));
diesel::joinable!(wallets -> asset_types (asset_type));
diesel::joinable!(wallets -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    access_changes,
    api_keys,
    asset_types,
    assets,
    audit_log,
    campaigns,
    claims,
    daily_figures,
    entries,
    figure_marks,
    idempotency_keys,
    imports,
    proofs,
    receipt_marks,
    receipts,
    sessions,
    supply_counts,
    supply_figures,
    transactions,
    users,
    wallets,
);
