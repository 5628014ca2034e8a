//! Demo data: something to click through on a first start. Running it again changes nothing.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::PgConnection;
use uuid::Uuid;

use crate::app::ledger_for_command;
use crate::cli::refused;
use crate::config::Config;
use crate::domain::posting::{Action, Command, Movement};
use crate::domain::{Amount, AssetKind, AssetType, AssetTypeCode, Balance, ExternalId, Login, Role, Scale};
use crate::domain::{TransactionId, UserId};
use crate::error::{Error, Fatal, FieldError, Result};
use crate::ledger::Ledger;
use crate::passwords;
use crate::repo::assets::{self, NewAssets};
use crate::repo::audit::Actor;
use crate::repo::campaigns::{self, NewCampaign};
use crate::repo::users::{self, NewUser};
use crate::repo::{self, Address, asset_types, transactions};

/// Code, name, decimals, and whether users may transfer it.
const ASSET_TYPES: [(&str, &str, u8, bool); 4] = [
    ("CASH", "Cashback", 2, true),
    ("DMND", "Diamonds", 0, false),
    ("GOLD", "Gold Coins", 2, false),
    ("PTS", "Loyalty Points", 0, false),
];

/// Name and role of each demo user; the first one does the rest.
const USERS: [(&str, Role); 3] = [("admin", Role::Admin), ("user_alice", Role::User), ("user_bob", Role::User)];

/// Why value moved.
enum What {
    TopUp,
    Bonus,
    Spend,
    TransferTo(&'static str),
}

/// One movement: user, why, asset type, amount, description.
type Past = (&'static str, What, &'static str, &'static str, &'static str);

/// What the users begin with and did since. The place of each is a part of its transaction's id, so
/// that new ones go to the end.
const HISTORY: [Past; 13] = [
    ("user_alice", What::TopUp, "GOLD", "100.00", "Opening balance"),
    ("user_alice", What::TopUp, "DMND", "50", "Opening balance"),
    ("user_alice", What::TopUp, "PTS", "500", "Opening balance"),
    ("user_bob", What::TopUp, "GOLD", "80.00", "Opening balance"),
    ("user_bob", What::TopUp, "DMND", "30", "Opening balance"),
    ("user_bob", What::TopUp, "PTS", "200", "Opening balance"),
    ("user_alice", What::TopUp, "CASH", "120.00", "Paid in at the counter"),
    ("user_alice", What::Bonus, "CASH", "15.00", "Birthday bonus"),
    ("user_alice", What::Spend, "CASH", "24.50", "Coffee beans"),
    ("user_alice", What::TransferTo("user_bob"), "CASH", "30.00", "Dinner on Friday"),
    ("user_bob", What::Bonus, "CASH", "5.00", "For filling in a survey"),
    ("user_bob", What::Spend, "CASH", "12.25", "Cinema ticket"),
    ("user_bob", What::TransferTo("user_alice"), "CASH", "2.75", "Tip"),
];

/// Title, description, kind, asset type, amount, and the hours until it expires.
type Credit = (&'static str, &'static str, AssetKind, &'static str, &'static str, Option<i64>);

const CREDITS: [Credit; 12] = [
    ("Signup Bonus 100", "A warm welcome.", AssetKind::Signup, "CASH", "100.00", None),
    ("Signup Bonus 50", "A welcome for friends of friends.", AssetKind::Signup, "CASH", "50.00", Some(24 * 30)),
    ("Welcome Diamonds", "Five to begin with.", AssetKind::Signup, "DMND", "5", Some(24 * 14)),
    ("Welcome Points", "A head start.", AssetKind::Signup, "PTS", "250", None),
    ("Referral Reward 200", "For bringing a friend.", AssetKind::Referral, "CASH", "200.00", None),
    ("Referral Reward 75", "For bringing another one.", AssetKind::Referral, "CASH", "75.00", Some(24 * 7)),
    ("Referral Gold", "A friend has made a first purchase.", AssetKind::Referral, "GOLD", "12.50", Some(36)),
    ("Festive Cashback 150", "Only during the festival.", AssetKind::Promotional, "CASH", "150.00", Some(24 * 3)),
    ("Weekend Cashback 25", "Be quick.", AssetKind::Promotional, "CASH", "25.00", Some(3)),
    ("Lunch Hour Cashback 10", "Gone within the hour.", AssetKind::Promotional, "CASH", "10.00", Some(1)),
    ("Treasure Chest", "Somebody left it open.", AssetKind::Promotional, "GOLD", "40.00", Some(24 * 10)),
    ("Anniversary Points 1000", "Thank you for staying.", AssetKind::Promotional, "PTS", "1000", Some(24 * 60)),
];

/// As a credit, and how many credits the campaign has.
const CAMPAIGN: (Credit, usize) =
    (("Coffee Break", "A coffee for the first five.", AssetKind::Promotional, "CASH", "3.50", Some(24 * 30)), 5);

/// What was put in, and the passwords that are shown this once.
#[derive(Debug)]
pub struct Seeded {
    passwords: Vec<(&'static str, String)>,
}

impl fmt::Display for Seeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.passwords.is_empty() {
            return f.write_str("The demo data is there; its users keep their passwords.");
        }
        writeln!(f, "Demo data is in place. Sign in as one of these; the passwords are shown only now:")?;
        for (index, (name, password)) in self.passwords.iter().enumerate() {
            let end = if index + 1 == self.passwords.len() { "" } else { "\n" };
            write!(f, "  {name:<12} {password}{end}")?;
        }
        Ok(())
    }
}

/// What becomes of the passwords of demo users who are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They stay: somebody knows them.
    Keep,
    /// They are set anew: a first start was cut off before anybody saw them.
    Reset,
}

/// Whether there is nobody in the database but users of the demo data, if anybody: then no start
/// has come to its end.
///
/// # Errors
/// The database's.
pub fn is_untouched(conn: &mut PgConnection) -> Result<bool> {
    let demo = USERS.iter().map(|(name, _)| users::by_external_id(conn, name)).collect::<Result<Vec<_>>>()?;
    let there = i64::try_from(demo.into_iter().flatten().count()).unwrap_or_default();
    Ok(users::count(conn)? == there)
}

/// Puts the demo data into a migrated database, as far as it is not there.
///
/// # Errors
/// One line: the database or the ledger refused.
pub fn demo(address: &Address, config: &Config, existing: Existing) -> std::result::Result<Seeded, Fatal> {
    let mut conn = repo::connect(address)
        .map_err(|error| Fatal::new(format!("cannot reach the database: {}", repo::one_line(&error))))?;
    let (ledger, clock) = ledger_for_command(address, config)?;
    let seeded = seed(&mut conn, &ledger, config, existing, clock());
    ledger.stop();
    seeded.map_err(|error| Fatal::new(format!("cannot put in the demo data: {}", refused(&error))))
}

fn seed(
    conn: &mut PgConnection,
    ledger: &Ledger,
    config: &Config,
    existing: Existing,
    now: DateTime<Utc>,
) -> Result<Seeded> {
    for (code, name, scale, transferable) in ASSET_TYPES {
        let asset_type = AssetType {
            code: AssetTypeCode::parse(code)?,
            name: name.to_owned(),
            scale: Scale(scale),
            minimum_balance: Balance::zero(),
            transferable,
            created_at: now,
        };
        asset_types::ensure(conn, &asset_type)?;
    }
    let (ids, passwords) = ensure_users(conn, config, existing)?;
    let id_of = |name: &str| ids.iter().find(|(known, _)| *known == name).map(|(_, id)| *id).ok_or(Error::NotFound);
    let admin = id_of("admin")?;
    for (number, (user, what, asset_type, amount, description)) in (1..).zip(HISTORY) {
        let movement = Movement {
            user: id_of(user)?,
            asset_type: AssetTypeCode::parse(asset_type)?,
            amount: Amount::parse(amount)?,
        };
        let (asked_by, action) = match what {
            What::TopUp => (admin, Action::TopUp(movement)),
            What::Bonus => (admin, Action::Bonus(movement)),
            What::Spend => (movement.user, Action::Spend { movement, floor: None }),
            What::TransferTo(name) => {
                (movement.user, Action::Transfer { movement, receiver: id_of(name)?, floor: None })
            }
        };
        let description = description.to_owned();
        post_once(conn, ledger, number, Command { description, ..Command::new(asked_by, action) })?;
    }
    let actor = Actor { user: Some(admin), ..Actor::default() };
    for credit in CREDITS {
        ensure_credit(conn, &actor, credit, now)?;
    }
    ensure_campaign(conn, &actor, now)?;
    Ok(Seeded { passwords })
}

fn invalid(error: FieldError) -> Error {
    Error::Invalid(vec![error])
}

type Passwords = Vec<(&'static str, String)>;

fn ensure_users(
    conn: &mut PgConnection,
    config: &Config,
    existing: Existing,
) -> Result<(Vec<(&'static str, UserId)>, Passwords)> {
    let (mut ids, mut passwords) = (Vec::new(), Vec::new());
    for (name, role) in USERS {
        let user = users::by_external_id(conn, name)?;
        if let Some(user) = user.as_ref().filter(|_| existing == Existing::Keep) {
            ids.push((name, user.id));
            continue;
        }
        let password = config.demo_password.clone().map_or_else(random_password, Ok)?;
        let password_hash = passwords::hash_here(&password, config.bcrypt_cost)?;
        let id = match user {
            Some(user) => users::set_password(conn, user.id, &password_hash).map(|()| user.id)?,
            None => {
                let external_id = Some(ExternalId::parse(name).map_err(invalid)?);
                let logins = vec![Login::username(name).map_err(invalid)?];
                users::register(conn, &NewUser { external_id, logins, password_hash, role })?.id
            }
        };
        passwords.push((name, password));
        ids.push((name, id));
    }
    Ok((ids, passwords))
}

/// 16 letters and digits, 80 random bits.
fn random_password() -> Result<String> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(Error::broken)?;
    Ok(bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32))).map(|&letter| char::from(letter)).collect())
}

/// Posts a command under an id of its own, which tells a later run that it was posted.
fn post_once(conn: &mut PgConnection, ledger: &Ledger, number: u128, command: Command) -> Result<()> {
    // A UUIDv7 of the first millisecond of 2024, so that it cannot be one that was drawn.
    let id = TransactionId(Uuid::from_u128(0x018c_c251_f400_7000_8000_0000_0000_0000 + number));
    if !transactions::by_ids(conn, &[id])?.is_empty() {
        return Ok(());
    }
    ledger.submit_here(Command { transaction: id, ..command }).map(|_| ())
}

fn ensure_credit(conn: &mut PgConnection, actor: &Actor, credit: Credit, now: DateTime<Utc>) -> Result<()> {
    let (title, description, kind, asset_type, amount, hours) = credit;
    if assets::title_exists(conn, title)? {
        return Ok(());
    }
    let new = NewAssets {
        title: title.to_owned(),
        description: description.to_owned(),
        kind,
        asset_type: AssetTypeCode::parse(asset_type)?,
        amount: Amount::parse(amount)?,
        expires_at: hours.map(|hours| now + TimeDelta::hours(hours)),
        campaign_id: None,
        quantity: 1,
    };
    assets::create(conn, actor, &new, now).map(|_| ())
}

fn ensure_campaign(conn: &mut PgConnection, actor: &Actor, now: DateTime<Utc>) -> Result<()> {
    let ((title, description, kind, asset_type, amount, hours), quantity) = CAMPAIGN;
    // Its credits have its title, and come into the world together with it.
    if assets::title_exists(conn, title)? {
        return Ok(());
    }
    let new = NewCampaign {
        title: title.to_owned(),
        description: description.to_owned(),
        kind,
        asset_type: AssetTypeCode::parse(asset_type)?,
        amount: Amount::parse(amount)?,
        quantity,
        starts_at: None,
        ends_at: hours.map(|hours| now + TimeDelta::hours(hours)),
        per_user_limit: 1,
    };
    campaigns::create(conn, actor, &new, now).map(|_| ())
}
