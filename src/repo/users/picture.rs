//! All that an admin looks at of one user.

use chrono::{DateTime, Utc};
use diesel::PgConnection;

use crate::domain::User;
use crate::error::{Refusal, Result};
use crate::repo::audit::{self, Line, LineFilter};
use crate::repo::claims::{self, ClaimFilter, ClaimRow, NEWEST_FIRST};
use crate::repo::sessions::{self, SessionView};
use crate::repo::transactions::{self, Activity};
use crate::repo::wallets::{self, WalletFilter, WalletView};
use crate::repo::{Page, PageRequest};

/// How many claims and lines of the audit log are in it: as many as there are transactions.
const LATEST: i64 = 10;

/// How many sessions and wallets are in it.
const MOST: i64 = 50;

/// A user at one moment, with the latest of what is to be known.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The user.
    pub user: User,
    /// The wallets, the newest first.
    pub wallets: Vec<WalletView>,
    /// The latest claims.
    pub claims: Page<ClaimRow>,
    /// The latest movements.
    pub activity: Vec<Activity>,
    /// Where the user is signed in.
    pub sessions: Page<SessionView>,
    /// What was done to the user.
    pub suffered: Page<Line>,
    /// What the user did as an admin.
    pub done: Page<Line>,
}

/// The picture of a user, by one query for each of its parts.
///
/// # Errors
/// [`Refusal::UserNotFound`].
pub fn of(conn: &mut PgConnection, user: &str, now: DateTime<Utc>) -> Result<Picture> {
    conn.build_transaction().read_only().repeatable_read().run(|conn| {
        let user = super::by_external_id(conn, user)?.ok_or(Refusal::UserNotFound)?;
        let (latest, all) = (PageRequest::first(LATEST), PageRequest::first(MOST));
        let wallets = WalletFilter { user: Some(user.id), ..WalletFilter::default() };
        let claims = ClaimFilter { user: Some(user.external_id.clone()), ..ClaimFilter::default() };
        let suffered = LineFilter { target: Some(format!("user:{}", user.external_id)), ..LineFilter::default() };
        let done = LineFilter { actor: Some(user.external_id.clone()), ..LineFilter::default() };
        Ok(Picture {
            wallets: wallets::page(conn, &wallets, &all)?.items,
            claims: claims::page(conn, &claims, NEWEST_FIRST, &latest)?,
            activity: transactions::recent_of(conn, user.id)?,
            sessions: sessions::page(conn, user.id, &all, now)?,
            suffered: audit::page(conn, &suffered, &latest)?,
            done: audit::page(conn, &done, &latest)?,
            user,
        })
    })
}
