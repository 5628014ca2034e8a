//! Lines of the audit log in words, with what was before and what is now.

use chrono::DateTime;
use serde_json::Value;

use crate::repo::audit;
use crate::web::pages::parts::counted;
use crate::web::view::Moment;

/// Every action of the log, and what it is called in a list.
pub const ACTIONS: [(&str, &str); 24] = [
    ("asset.create", "Create a credit"),
    ("asset.edit", "Edit a credit"),
    ("asset.expire", "Expire a credit"),
    ("asset.delete", "Delete a credit"),
    ("asset.recreate", "Recreate a credit"),
    ("campaign.create", "Create a campaign"),
    ("campaign.edit", "Edit a campaign"),
    ("campaign.delete", "Delete a campaign"),
    ("asset_type.create", "Create an asset type"),
    ("asset_type.edit", "Edit an asset type"),
    ("user.freeze", "Freeze a user"),
    ("user.unfreeze", "Unfreeze a user"),
    ("user.make_admin", "Make a user an admin"),
    ("user.reset_password", "Give a user a new password"),
    ("user.make_user", "Make an admin a user"),
    ("user.sign_out", "Sign a user out everywhere"),
    ("transaction.adjust", "Adjust a balance"),
    ("transaction.reverse", "Reverse a transaction"),
    ("transaction.top_up", "Top up a wallet"),
    ("transaction.bonus", "Give a bonus"),
    ("transaction.spend", "Spend for a user"),
    ("transaction.transfer", "Transfer for a user"),
    ("transaction.batch", "Post many at once"),
    ("receipt.retry", "Try a receipt again"),
];

/// One thing that was done, or that happened by itself.
pub struct Deed {
    /// In words.
    pub text: String,
    /// The page of what it was done to, or of what came of it.
    pub href: Option<String>,
    /// An icon of the sprite.
    pub icon: &'static str,
    /// good, warn, bad, accent or neutral.
    pub tone: &'static str,
    /// Who.
    pub actor: String,
    /// When.
    pub at: Moment,
    /// Why; empty for nothing.
    pub reason: String,
    /// What it changed.
    pub changes: Vec<Change>,
}

/// One field that was changed.
pub struct Change {
    /// Its name, in words.
    pub field: String,
    /// What it was; none where it came or went with the thing.
    pub before: Option<String>,
    /// What it is, or was when the thing went.
    pub after: String,
}

impl From<audit::Line> for Deed {
    fn from(line: audit::Line) -> Self {
        let (icon, tone) = looks(&line.action);
        Self {
            text: sentence(&line.action, &line.target, None, 1),
            href: href(&line.action, &line.target),
            icon,
            tone,
            actor: line.actor.unwrap_or_else(|| "Coffer".to_owned()),
            at: line.created_at.into(),
            reason: line.reason,
            changes: changes(line.before.as_ref(), line.after.as_ref()),
        }
    }
}

/// The page of what a line of the log is about, where it still has one.
pub fn href(action: &str, target: &str) -> Option<String> {
    if action.ends_with(".delete") {
        return None;
    }
    let (noun, name) = target.split_once(':')?;
    let list = match noun {
        "asset" => "assets",
        "campaign" => "campaigns",
        "user" => "users",
        "transaction" => "transactions",
        "asset_type" => return Some(format!("/admin/asset-types/{name}/edit")),
        _ => return None,
    };
    Some(format!("/admin/{list}/{name}"))
}

/// The icon and the tone of an action.
fn looks(action: &str) -> (&'static str, &'static str) {
    match action.split_once('.').map_or(action, |(_, verb)| verb) {
        "create" | "recreate" => ("circle-plus", "accent"),
        "edit" => ("pencil", "neutral"),
        "expire" => ("timer-off", "warn"),
        "delete" => ("trash-2", "bad"),
        "freeze" => ("snowflake", "warn"),
        "reverse" => ("undo-2", "warn"),
        "unfreeze" => ("play", "good"),
        "make_admin" => ("shield-check", "accent"),
        "make_user" => ("user", "neutral"),
        "reset_password" => ("key-round", "warn"),
        "sign_out" => ("log-out", "warn"),
        "retry" => ("refresh-cw", "neutral"),
        _ => ("history", "neutral"),
    }
}

/// What was done, in words: to `lines` things at once, of which the newest is called `title`.
pub fn sentence(action: &str, target: &str, title: Option<(&str, bool)>, lines: i64) -> String {
    let name = target.split_once(':').map_or(target, |(_, name)| name);
    let (noun, verb) = action.split_once('.').unwrap_or(("", action));
    let done = match verb {
        "create" => "Created",
        "edit" => "Edited",
        "expire" => "Expired",
        "delete" => "Deleted",
        "recreate" => "Recreated",
        "adjust" => "Adjusted",
        "reverse" => "Reversed",
        "top_up" => "Topped up by",
        "bonus" => "Gave a bonus by",
        "spend" => "Spent for a user by",
        "transfer" => "Transferred for a user by",
        "batch" => "Posted many at once, the first by",
        "freeze" => return format!("Froze {name}"),
        "unfreeze" => return format!("Unfroze {name}"),
        "make_admin" => return format!("Made {name} an admin"),
        "make_user" => return format!("Made {name} a user"),
        "reset_password" => return format!("Gave {name} a new password"),
        "sign_out" => return format!("Signed {name} out everywhere"),
        "retry" => return format!("Had the receipt of transaction {name} tried again"),
        // A word that this page does not know yet is still better than silence.
        _ => return format!("{} ({target})", action.replace(['.', '_'], " ")),
    };
    let (one, many) = match noun {
        "asset" => ("credit", "credits"),
        "campaign" => ("campaign", "campaigns"),
        "asset_type" => ("asset type", "asset types"),
        "transaction" => ("transaction", "transactions"),
        _ => (noun, noun),
    };
    let things = if lines == 1 { format!("{one} {name}") } else { counted(lines, one, many) };
    match title {
        Some((title, true)) => format!("{done} {things}: “{title}”"),
        Some((title, false)) => format!("{done} {things}, “{title}” among them"),
        None => format!("{done} {things}"),
    }
}

/// The fields that differ, by name; of what came into the world or left it, those that are not empty.
pub fn changes(before: Option<&Value>, after: Option<&Value>) -> Vec<Change> {
    let (before, after) = if after.is_some() { (before, after) } else { (None, before) };
    let Some(after) = after.and_then(Value::as_object) else { return Vec::new() };
    let before = before.and_then(Value::as_object);
    let differs = |field: &String, now: &Value| match before {
        Some(before) => before.get(field).is_none_or(|old| old != now),
        None => !now.is_null() && now != "",
    };
    after
        .iter()
        .filter(|(field, now)| differs(field, now))
        .map(|(field, now)| Change {
            field: field.replace('_', " "),
            before: before.and_then(|before| before.get(field)).map(words),
            after: words(now),
        })
        .collect()
}

/// A value as people read it.
fn words(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) if text.is_empty() => "–".to_owned(),
        Value::String(text) => match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Moment::from(time.to_utc()).text,
            Err(_) => text.clone(),
        },
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deeds_are_told_in_words() {
        for (action, target, title, lines, words) in [
            ("asset.create", "asset:7", Some(("Gift", true)), 1, "Created credit 7: “Gift”"),
            ("asset.create", "asset:7", Some(("Gift", true)), 1_000, "Created 1,000 credits: “Gift”"),
            ("asset.expire", "asset:7", Some(("Gift", false)), 2, "Expired 2 credits, “Gift” among them"),
            ("asset_type.edit", "asset_type:GOLD", None, 1, "Edited asset type GOLD"),
            ("user.freeze", "user:bela", None, 1, "Froze bela"),
            ("user.sign_out", "user:bela", None, 1, "Signed bela out everywhere"),
            ("user.reset_password", "user:bela", None, 1, "Gave bela a new password"),
            ("user.dance", "user:bela", None, 1, "user dance (user:bela)"),
        ] {
            assert_eq!(sentence(action, target, title, lines), words);
        }
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let (before, after) = (serde_json::json!({"a": 1, "b": "x"}), serde_json::json!({"a": 1, "b": null}));
        let told: Vec<_> =
            changes(Some(&before), Some(&after)).into_iter().map(|c| (c.field, c.before, c.after)).collect();
        assert_eq!(told, [("b".to_owned(), Some("x".to_owned()), "–".to_owned())]);
        let told: Vec<_> = changes(None, Some(&after)).into_iter().map(|c| (c.field, c.before, c.after)).collect();
        assert_eq!(told, [("a".to_owned(), None, "1".to_owned())]);
        assert_eq!(changes(Some(&after), None).into_iter().map(|c| c.field).collect::<Vec<_>>(), ["a"]);
    }
}
