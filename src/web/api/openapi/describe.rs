//! What the OpenAPI document says about Coffer as a whole, in words and in parts that many
//! operations share.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use super::put;

/// The conventions, for people.
const CONVENTIONS: &str = "\
A wallet and cashback-credit portal on a double-entry ledger.

**Amounts** are exact decimals. Requests take a string (`\"100.00\"`) or a number (`100.50`), without \
exponents; answers always have strings, with as many decimals as the asset type's `scale`.

**Times** are RFC 3339 in UTC with `Z`. Requests may carry any offset. In a range, which holds both of \
its ends, a date alone (`2024-01-31`) is that whole day in UTC.

**Users** are named by their public id, for example `user_alice`; `me` stands for the caller.

**Errors** are problem documents (RFC 9457). Their `code` is stable; which ones an operation can give \
stands with its responses. An unknown field or parameter is refused as `malformed`.

**Lists** are paged, newest first or, of asset types, by code: `limit` says how many rows (1 to 200, \
50 where nothing is said), `cursor` takes the `next_cursor` of the page before.

**Idempotency**: a POST that moves value, or makes credits or a campaign, takes a key in the header \
`Idempotency-Key` or in the field `idempotency_key`. The same request under the same key happens once and gets the same answer again, \
with the header `Idempotent-Replayed: true`. A refusal that depends on the state of a wallet is not \
remembered. Keys are the caller's own and live at least 24 hours.

**Authentication**: a bearer token from `POST /api/v1/auth/login`, a personal API key (`cof_…`) as a \
bearer token, or login and password (Basic). An API key may do what its scopes say and is told \
`forbidden` elsewhere; without the scope `admin` it acts as a user.

**Limits**: a body has at most 64 KiB, unless its operation allows more. After too many wrong \
passwords or voucher codes, or registrations, comes `rate_limited`. It, `overloaded` and \
`database_unavailable` mean that nothing was done, and `Retry-After` says when to come back. After \
`commit_unknown` repeat the request with the same idempotency key.";

/// The tags, in the order in which they are shown.
const TAGS: [(&str, &str); 5] = [
    ("Accounts", "Registering, signing in, and the account of who asks."),
    ("Claimable assets", "Credits that can be claimed once, and by whom they were."),
    ("Wallets and transactions", "What users hold, and every movement of it."),
    ("Administration", "What only admins may do."),
    ("System", "How Coffer is doing, and this document."),
];

const KEY_HEADER: &str = "Idempotency-Key";

/// 1 to 255 visible ASCII characters.
const KEY: &str = "^[!-~]{1,255}$";

/// Writes what stands above the operations.
pub(super) fn head(document: &mut Value) {
    document["info"] = json!({
        "title": "Coffer",
        "version": env!("CARGO_PKG_VERSION"),
        "description": CONVENTIONS,
        "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
    });
    document["servers"] = json!([{"url": "/"}]);
    document["tags"] = TAGS.iter().map(|(name, text)| json!({"name": name, "description": text})).collect();
    let schemes = json!({
        "access_token": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The access token that `POST /api/v1/auth/login` gives.",
        },
        "api_key": {
            "type": "http", "scheme": "bearer", "bearerFormat": "cof_…",
            "description": "A personal API key, which `POST /api/v1/me/api-keys` makes.",
        },
        "basic": {"type": "http", "scheme": "basic", "description": "Login and password, for scripts."},
    });
    put(document, &["components", "securitySchemes"], schemes);
}

/// The tag of the operations at a path.
pub(super) fn tag(path: &str) -> &'static str {
    let path = path.strip_prefix("/api/v1").unwrap_or_default();
    match path.split('/').nth(1) {
        Some("auth" | "me") => "Accounts",
        Some("assets" | "claims" | "campaigns") => "Claimable assets",
        Some("admin") => "Administration",
        Some(_) => "Wallets and transactions",
        None => "System",
    }
}

/// Completes a parameter. A query has no null, and the parts of a path mean the same everywhere.
pub(super) fn parameter(parameter: &mut Value) {
    if let Some(types) = parameter.pointer_mut("/schema/type")
        && let Some(first) = types.as_array().and_then(|types| types.iter().find(|one| *one != "null")).cloned()
    {
        *types = first;
    }
    let choices = parameter.pointer("/schema/oneOf").and_then(Value::as_array);
    if let Some(some) = choices.and_then(|choices| choices.iter().find(|choice| choice["type"] != "null")).cloned() {
        parameter["schema"] = some;
    }
    if parameter["in"] == "path" && parameter.get("description").is_none() {
        parameter["description"] = match parameter["name"].as_str() {
            Some("user") => "A user's public id, or `me` for the caller.".into(),
            Some("code") => "The code of an asset type.".into(),
            _ => "Its id.".into(),
        };
    }
}

/// The parameter that makes repetitions harmless.
pub(super) fn key_parameter() -> Value {
    json!({
        "name": KEY_HEADER, "in": "header", "required": false,
        "description": "Makes repetitions harmless; instead of the field `idempotency_key`.",
        "schema": {"type": "string", "pattern": KEY, "minLength": 1, "maxLength": 255},
    })
}

/// Whether this is [`key_parameter`].
pub(super) fn is_key_parameter(parameter: &Value) -> bool {
    parameter["name"] == KEY_HEADER
}

/// The key as a field of a body.
pub(super) fn key_field() -> Value {
    json!({
        "type": ["string", "null"], "pattern": KEY, "minLength": 1, "maxLength": 255,
        "description": "Makes repetitions harmless; instead of the header `Idempotency-Key`.",
        "examples": ["order-4711"],
    })
}

/// The header of an answer that was given before.
pub(super) fn replayed_header() -> Value {
    json!({
        "description": "There where this answer was given before, under the same idempotency key.",
        "schema": {"type": "string", "enum": ["true"]},
    })
}

/// The header of every answer.
pub(super) fn request_id_header() -> Value {
    json!({
        "description": "Names the request, in the log too: the caller's own, where it is a sane one.",
        "required": true,
        "schema": {"type": "string"},
    })
}

/// The header that comes with refusals of this status.
pub(super) fn refusal_header(status: StatusCode) -> Option<(&'static str, Value)> {
    match status {
        StatusCode::UNAUTHORIZED => Some((
            "WWW-Authenticate",
            json!({"description": "How to authenticate.", "required": true, "schema": {"type": "string"}}),
        )),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Some((
            "Retry-After",
            json!({"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}),
        )),
        _ => None,
    }
}
