//! One user, as admins see it.

use actix_web::HttpResponse;
use actix_web::web::Data;
use askama::Template;

use super::claims::OwnedCredit;
use super::deeds::Deed;
use crate::domain::{Role, UserStatus};
use crate::error::Result;
use crate::repo::transactions::Activity;
use crate::repo::users::picture::{self, Picture};
use crate::repo::wallets::WalletView;
use crate::repo::{Db, users};
use crate::web::auth::Admin;
use crate::web::extract::{Now, PathOf};
use crate::web::pages::device::SessionRow;
use crate::web::pages::parts::{Coin, role_word, type_word, user_status_tone, user_status_word};
use crate::web::view::{self, Chrome, Moment, grouped};

#[derive(Template)]
#[template(path = "admin/user.html")]
struct UserPage {
    chrome: Chrome,
    id: String,
    handles: Vec<(&'static str, String)>,
    role: &'static str,
    is_admin: bool,
    status: &'static str,
    status_tone: &'static str,
    is_frozen: bool,
    joined_at: Moment,
    wallets: Vec<WalletRow>,
    claims: Vec<OwnedCredit>,
    activity: Vec<ActivityRow>,
    sessions: Vec<SessionRow>,
    suffered: Vec<Deed>,
    done: Vec<Deed>,
}

struct WalletRow {
    id: i64,
    name: String,
    initial: String,
    hue: u32,
    balance: String,
    asset_type: String,
    entries: String,
}

impl From<WalletView> for WalletRow {
    fn from(wallet: WalletView) -> Self {
        let Coin { initial, hue } = Coin::of(&wallet.asset_type.code);
        Self {
            id: wallet.id.0,
            initial,
            hue,
            balance: grouped(&wallet.balance.at_scale(wallet.asset_type.scale.0)),
            asset_type: wallet.asset_type.code.to_string(),
            name: wallet.asset_type.name,
            entries: grouped(&wallet.version.to_string()),
        }
    }
}

struct ActivityRow {
    transaction: String,
    word: &'static str,
    description: String,
    counterparty: Option<String>,
    received: bool,
    amount: String,
    asset_type: String,
    at: Moment,
}

impl From<Activity> for ActivityRow {
    fn from(activity: Activity) -> Self {
        let text = activity.amount.at_scale(activity.scale.0);
        Self {
            transaction: activity.transaction.to_string(),
            word: type_word(activity.transaction_type),
            description: activity.description,
            counterparty: activity.counterparty,
            received: !text.starts_with('-'),
            amount: grouped(text.trim_start_matches('-')),
            asset_type: activity.asset_type.to_string(),
            at: activity.created_at.into(),
        }
    }
}

/// The deed without what only says how something new looks: that is on its own page.
fn brief(mut deed: Deed) -> Deed {
    deed.changes.retain(|change| change.before.is_some());
    deed
}

impl UserPage {
    fn new(chrome: Chrome, picture: Picture) -> Self {
        let Picture { user, wallets, claims, activity, sessions, suffered, done } = picture;
        let handles =
            [("Username", user.username), ("E-mail", user.email), ("Phone number", user.phone_number)].into_iter();
        Self {
            chrome,
            id: user.external_id,
            handles: handles.map(|(name, handle)| (name, handle.unwrap_or_else(|| "–".to_owned()))).collect(),
            role: role_word(user.role),
            is_admin: user.role == Role::Admin,
            status: user_status_word(user.status),
            status_tone: user_status_tone(user.status),
            is_frozen: user.status == UserStatus::Frozen,
            joined_at: user.created_at.into(),
            wallets: wallets.into_iter().map(WalletRow::from).collect(),
            claims: claims.items.into_iter().map(OwnedCredit::from).collect(),
            activity: activity.into_iter().map(ActivityRow::from).collect(),
            sessions: sessions.items.into_iter().map(SessionRow::from).collect(),
            suffered: suffered.items.into_iter().map(Deed::from).collect(),
            done: done.items.into_iter().map(Deed::from).map(brief).collect(),
        }
    }
}

/// `GET /admin/users/{user}`
///
/// # Errors
/// [`crate::error::Refusal::UserNotFound`] and those of the database.
pub async fn show(admin: Admin, user: PathOf<String>, chrome: Chrome, now: Now, db: Data<Db>) -> Result<HttpResponse> {
    let picture = db
        .run(move |conn| {
            let user = users::meant_by(conn, admin.0.user, &user.0)?;
            picture::of(conn, &user.external_id, now.0)
        })
        .await?;
    view::page(&UserPage::new(chrome, picture))
}
