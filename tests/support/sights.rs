//! The pages that there are to see, and what is done on them to see more.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use super::gallery::{Sight, Who};

type Fields = &'static [(&'static str, &'static str)];

/// Name, path, what is filled in, and the button that is pressed with what shows its page.
type Row = (&'static str, &'static str, Fields, Option<(&'static str, &'static str)>);

const SUMMARY: &str = ".summary";
const FACTS: &str = ".facts";

const BEFORE_SIGN_IN: [Row; 9] = [
    ("landing", "/", &[], None),
    ("sign-in", "/login?next=%2Fwallet", &[], None),
    ("sign-in-refused", "/login", &[("login", "asha"), ("password", "wrong")], Some(("Sign in", SUMMARY))),
    ("register", "/register", &[], None),
    ("register-refused", "/register", &[("username", "a"), ("password", "short")], Some(("Create account", SUMMARY))),
    ("not-found-outside", "/nowhere", &[], None),
    ("verify", "/verify", &[], None),
    ("verify-wrong", "/verify?code=x", &[], None),
    ("verify-unknown", "/verify/2222222222222222", &[], None),
];

const OF_USER: [Row; 28] = [
    ("wallet", "/wallet", &[], None),
    ("credits", "/credits", &[], None),
    ("credits-no-match", "/credits?q=nothing", &[], None),
    ("credits-wrong-code", "/credits", &[("code", "XXXX-XXXX")], Some(("Redeem", ".field__error"))),
    ("claims", "/claims", &[], None),
    ("claims-bad-address", "/claims?cursor=no", &[], None),
    ("activity", "/transactions", &[], None),
    ("activity-no-match", "/transactions?type=adjustment", &[], None),
    ("statement", "/wallet/CASH", &[], None),
    ("statement-empty", "/wallet/CASH?start_date=2001-01-01&end_date=2001-02-01", &[], None),
    ("statement-wrong-range", "/wallet/CASH?start_date=2002-01-01&end_date=2001-02-01", &[], None),
    ("spend", "/spend", &[], None),
    ("spend-refused", "/spend", &[("asset_type", "CASH"), ("amount", "99999")], Some(("Continue", SUMMARY))),
    (
        "spend-review",
        "/spend",
        &[("asset_type", "CASH"), ("amount", "5"), ("description", "Tea")],
        Some(("Continue", FACTS)),
    ),
    ("transfer", "/transfer", &[], None),
    ("transfer-refused", "/transfer", &[("receiver", "nobody"), ("amount", "x")], Some(("Continue", SUMMARY))),
    (
        "transfer-review",
        "/transfer",
        &[("receiver", "bela"), ("asset_type", "CASH"), ("amount", "12.50")],
        Some(("Continue", FACTS)),
    ),
    ("settings", "/settings", &[], None),
    ("password", "/settings/password", &[], None),
    ("password-refused", "/settings/password", &[("new_password", "x")], Some(("Change password", SUMMARY))),
    ("api-key-new", "/settings/api-keys/new", &[], None),
    ("api-key-refused", "/settings/api-keys/new", &[], Some(("Create key", SUMMARY))),
    ("api-key-created", "/settings/api-keys/new", &[("name", "laptop")], Some(("Create key", ".form > p > code"))),
    ("signed-in-no-admin", "/admin", &[], None),
    ("not-found", "/nowhere", &[], None),
    ("no-such-wallet", "/wallet/NONE", &[], None),
    ("no-such-transaction", "/transactions/01890a5d-ac96-774b-bcce-b302099a8057", &[], None),
    ("settings-in-zone", "/settings", &[("time_zone", "Asia/Kolkata")], Some(("Save time zone", ".flash"))),
];

const OF_NEWCOMER: [Row; 7] = [
    ("newcomer-wallet", "/wallet", &[], None),
    ("newcomer-claims", "/claims", &[], None),
    ("newcomer-activity", "/transactions", &[], None),
    ("newcomer-statement", "/wallet/CASH", &[], None),
    ("newcomer-spend", "/spend", &[], None),
    ("newcomer-transfer", "/transfer", &[], None),
    ("newcomer-settings", "/settings", &[], None),
];

const OF_FROZEN: [Row; 5] = [
    ("frozen-wallet", "/wallet", &[], None),
    ("frozen-credits", "/credits", &[], None),
    ("frozen-statement", "/wallet/CASH", &[], None),
    ("frozen-transfer", "/transfer", &[], None),
    ("frozen-settings", "/settings", &[], None),
];

const OF_ADMIN: [Row; 38] = [
    ("admin-overview", "/admin", &[], None),
    ("admin-assets", "/admin/assets", &[], None),
    ("admin-assets-filtered", "/admin/assets?status=available&kind=promotional&q=a", &[], None),
    ("admin-assets-no-match", "/admin/assets?q=nothing+at+all", &[], None),
    ("admin-assets-bulk", "/admin/assets?status=available", &[("ids", "yes")], Some(("Expire", "h1"))),
    ("admin-asset-new", "/admin/assets/new", &[], None),
    ("admin-asset-new-refused", "/admin/assets/new", &[("amount", "x")], Some(("Create credits", SUMMARY))),
    ("admin-asset-import", "/admin/assets/import", &[], None),
    ("admin-campaigns", "/admin/campaigns", &[], None),
    ("admin-campaigns-no-match", "/admin/campaigns?q=nothing+at+all", &[], None),
    ("admin-campaign-new", "/admin/campaigns/new", &[], None),
    ("admin-campaign-new-refused", "/admin/campaigns/new", &[], Some(("Create campaign", SUMMARY))),
    ("admin-ownership", "/admin/claims", &[], None),
    ("admin-ownership-no-match", "/admin/claims?user=nobody", &[], None),
    ("admin-transactions", "/admin/transactions", &[], None),
    ("admin-transactions-no-match", "/admin/transactions?user=nobody", &[], None),
    ("admin-transaction-new", "/admin/transactions/new", &[], None),
    ("admin-transaction-new-refused", "/admin/transactions/new", &[], Some(("Continue", SUMMARY))),
    (
        "admin-transaction-review",
        "/admin/transactions/new",
        &[("type", "bonus"), ("user", "asha"), ("asset_type", "CASH"), ("amount", "5")],
        Some(("Continue", FACTS)),
    ),
    ("admin-entries", "/admin/entries", &[], None),
    ("admin-entries-no-match", "/admin/entries?user=nobody", &[], None),
    ("admin-ledger", "/admin/ledger", &[], None),
    ("admin-jobs", "/admin/jobs", &[], None),
    ("admin-users", "/admin/users", &[], None),
    ("admin-users-no-match", "/admin/users?q=nobody", &[], None),
    ("admin-user", "/admin/users/asha", &[], None),
    ("admin-user-frozen", "/admin/users/frozen", &[], None),
    ("admin-user-newcomer", "/admin/users/newcomer", &[], None),
    ("admin-user-freeze", "/admin/users/asha/freeze", &[], None),
    ("admin-user-freeze-refused", "/admin/users/asha/freeze", &[], Some(("Freeze", SUMMARY))),
    ("admin-user-make-admin", "/admin/users/asha/make-admin", &[], None),
    ("admin-asset-types", "/admin/asset-types", &[], None),
    ("admin-asset-type-new", "/admin/asset-types/new", &[], None),
    ("admin-asset-type-new-refused", "/admin/asset-types/new", &[], Some(("Create asset type", SUMMARY))),
    ("admin-asset-type-edit", "/admin/asset-types/CASH/edit", &[], None),
    ("admin-audit-log", "/admin/audit-log", &[], None),
    ("admin-audit-log-no-match", "/admin/audit-log?actor=nobody", &[], None),
    ("admin-not-found", "/admin/nowhere", &[], None),
];

fn hung(who: Who, rows: &[Row]) -> Vec<Sight> {
    let sight = |&(name, path, fields, press): &Row| Sight { name, who, path: path.to_owned(), fields, press };
    rows.iter().map(sight).collect()
}

/// What nobody in particular sees.
pub fn before_sign_in() -> Vec<Sight> {
    hung(Who::Nobody, &BEFORE_SIGN_IN)
}

/// What users see, with one of their transactions and one of their keys.
pub fn of_users(transaction: &str, key: i64) -> Vec<Sight> {
    let mut sights = hung(Who::User, &OF_USER);
    // The zone that is chosen last stays.
    let last = sights.len() - 1;
    for (name, path) in [
        ("transaction", format!("/transactions/{transaction}")),
        ("api-key-revoke", format!("/settings/api-keys/{key}/revoke")),
    ] {
        sights.insert(last, Sight { name, who: Who::User, path, fields: &[], press: None });
    }
    sights.extend(hung(Who::Newcomer, &OF_NEWCOMER));
    sights.extend(hung(Who::Frozen, &OF_FROZEN));
    sights
}

/// What admins see, with a campaign and a transaction that was reversed.
pub fn of_admins(campaign: i64, reversed: &str) -> Vec<Sight> {
    let mut sights = hung(Who::Admin, &OF_ADMIN);
    for (name, path) in [
        ("admin-campaign", format!("/admin/campaigns/{campaign}")),
        ("admin-campaign-edit", format!("/admin/campaigns/{campaign}/edit")),
        ("admin-campaign-pause", format!("/admin/campaigns/{campaign}/pause")),
        ("admin-campaign-add", format!("/admin/campaigns/{campaign}/add")),
        ("admin-campaign-delete", format!("/admin/campaigns/{campaign}/delete")),
        ("admin-transaction", format!("/admin/transactions/{reversed}")),
        ("admin-transaction-reverse", format!("/admin/transactions/{reversed}/reverse")),
    ] {
        sights.push(Sight { name, who: Who::Admin, path, fields: &[], press: None });
    }
    sights
}
