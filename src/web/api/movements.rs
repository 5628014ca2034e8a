//! Moving value: one transaction, a look at what it would do, and its reversal.

use std::cell::Cell;
use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::amount::{AmountInput, Decimal, FloorInput};
use super::keyed::{Keyed, made};
use super::transactions::{MovementBody, TransactionBody};
use super::viewer;
use crate::domain::posting::{Action, Command, Direction, Idempotency, Movement};
use crate::domain::{
    Amount, AssetTypeCode, Balance, ExternalId, Owner, Reason, Role, Transaction, TransactionId, TransactionType, User,
    UserId,
};
use crate::ephemeral::Throttles;
use crate::error::{Error, FieldError, Refusal, Result};
use crate::ledger::{self, Ledger, Outcome};
use crate::repo::Db;
use crate::repo::assets::Viewer;
use crate::repo::transactions::{self, TransactionView};
use crate::web::auth::{Admin, By, CurrentUser, Requester};
use crate::web::extract::{Now, PathOf, QueryOf};
use crate::web::json::kept;

/// The longest description, in characters.
const LONGEST_TEXT: usize = 500;

/// The most that a request may attach, in bytes of JSON as it is kept.
const LARGEST_METADATA: usize = 4 * 1024;

/// A movement to be made.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({
    "type": "transfer", "receiver": "user_bob", "asset_type": "GOLD", "amount": "12.50", "description": "Thank you",
    "metadata": {"order": "4711"},
})))]
pub struct MovementRequest {
    /// `top_up`, `bonus`, `spend`, `transfer` or `adjustment`; only admins create value.
    #[serde(rename = "type")]
    #[schema(pattern = "^(top_up|bonus|spend|transfer|adjustment)$")]
    transaction_type: String,
    /// Whose wallet it is about; the caller's where nothing is said. Only admins name others.
    user: Option<String>,
    /// The unit.
    #[schema(value_type = AssetTypeCode)]
    asset_type: String,
    /// How much.
    amount: AmountInput,
    /// What it is for, at most 500 characters.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// What to attach, at most 4 KiB of JSON.
    metadata: Option<Map<String, Value>>,
    /// Of a transfer: who gets it.
    receiver: Option<String>,
    /// Of an adjustment: `credit` or `debit`, seen from the user.
    #[schema(value_type = Option<Direction>)]
    direction: Option<String>,
    /// Of an adjustment: why, 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// Of a spend or a transfer: what must be left, where that is more than the asset type asks for.
    #[schema(value_type = Option<FloorInput>)]
    minimum_balance: Option<AmountInput>,
}

/// A movement as it is filled into a form.
pub(in crate::web) struct FilledIn<'a> {
    /// All but a claim and a reversal.
    pub transaction_type: TransactionType,
    /// Of an adjustment: which way.
    pub direction: Option<Direction>,
    /// Whose wallet it is about.
    pub user: &'a str,
    /// Of a transfer: who gets it, by the public name.
    pub receiver: Option<&'a str>,
    /// The unit.
    pub asset_type: &'a str,
    /// How much.
    pub amount: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// Why; empty for nothing.
    pub reason: &'a str,
}

impl From<FilledIn<'_>> for MovementRequest {
    fn from(form: FilledIn<'_>) -> Self {
        Self {
            transaction_type: form.transaction_type.to_string(),
            user: Some(form.user.to_owned()),
            asset_type: form.asset_type.to_owned(),
            amount: form.amount.into(),
            description: Some(form.description.to_owned()),
            metadata: None,
            receiver: form.receiver.map(str::to_owned),
            direction: form.direction.map(|direction| direction.to_string()),
            reason: Some(form.reason.to_owned()).filter(|reason| !reason.trim().is_empty()),
            minimum_balance: None,
        }
    }
}

/// Whether to look only.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DryRunQuery {
    /// Whether only to check everything and tell what would happen.
    dry_run: Option<bool>,
}

/// The body of a reversal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReversalRequest {
    /// Why, 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500, examples("Booked twice"))]
    reason: String,
}

/// A transaction that has been posted.
#[derive(Debug, Serialize, ToSchema)]
pub struct PostedBody {
    #[serde(flatten)]
    transaction: TransactionBody,
    /// What `user` held after it.
    #[schema(value_type = Decimal)]
    balance: String,
}

/// A transaction that would be posted.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunBody {
    /// Always true.
    dry_run: bool,
    #[serde(flatten)]
    movement: MovementBody,
    /// What `user` would hold after it.
    #[schema(value_type = Decimal)]
    balance: String,
}

/// Posts a transaction, or tells what it would do
///
/// Users spend and transfer what is theirs; admins may do everything for any user. A dry run makes
/// the same checks and writes nothing.
///
/// # Errors
/// `forbidden`, `invalid`, `invalid_amount`, `asset_type_not_found`, `user_not_found`,
/// `insufficient_funds`, `wallet_frozen`, `asset_type_not_transferable`, `self_transfer`,
/// `balance_limit`, `idempotency_key_reused`; `rate_limited` for users who name many that nobody is.
#[utoipa::path(
    post,
    path = "/api/v1/transactions",
    params(DryRunQuery),
    request_body = MovementRequest,
    responses(
        (status = 201, description = "The transaction, and what its user holds now.", body = PostedBody),
        (status = 200, description = "What a dry run would have posted.", body = DryRunBody),
    )
)]
pub async fn post(
    requester: Requester,
    query: QueryOf<DryRunQuery>,
    request: Keyed<MovementRequest>,
    now: Now,
    db: Data<Db>,
    ledger: Data<Ledger>,
    throttles: Data<Throttles>,
) -> Result<HttpResponse> {
    let has_sought = Cell::new(false);
    let command = async |current: &CurrentUser| {
        let draft = Draft::parse(request.body.clone(), &current.user)?;
        let people = match draft.receiver.as_deref().filter(|_| current.user.role != Role::Admin) {
            None => People::find(&db, &current.user, draft.names()).await?,
            Some(receiver) => People::seek(&db, &throttles, &current.user, receiver, now.0, &has_sought).await?,
        };
        let command = draft.command(&people, &requester.by(current), request.idempotency.clone())?;
        Ok((command, people))
    };
    if query.0.dry_run == Some(true) {
        let current = requester.current().await?;
        let (command, people) = command(&current).await?;
        let lane = ledger.lane_of(command.requested_by);
        let preview = db.read(move |conn| ledger::preview(conn, lane, now.0, &command)).await?;
        let balance = balance(&preview);
        let view = TransactionView::named(preview, &people.names)?;
        let movement = MovementBody::new(view, viewer(&current));
        return Ok(HttpResponse::Ok().json(DryRunBody { dry_run: true, movement, balance }));
    }
    let (current, people, outcome) = requester.submit(&ledger, command).await?;
    Ok(made(outcome.is_replayed()).json(posted(outcome, &people.names, viewer(&current))?))
}

/// Takes a transaction back
///
/// By a new transaction of the same amount, the other way round.
///
/// # Errors
/// `invalid`, `not_found`, `already_reversed`, `insufficient_funds`, `balance_limit`,
/// `idempotency_key_reused`.
#[utoipa::path(
    post,
    path = "/api/v1/transactions/{id}/reverse",
    params(("id" = TransactionId, Path)),
    request_body = ReversalRequest,
    responses((status = 201, description = "The reversal.", body = PostedBody))
)]
pub async fn reverse(
    admin: Admin,
    by: By,
    id: PathOf<TransactionId>,
    request: Keyed<ReversalRequest>,
    db: Data<Db>,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let caller = admin.0.user;
    let reason = Reason::parse(&request.body.reason).map_err(|error| Error::Invalid(vec![error]))?;
    let original = db.run(move |conn| transactions::one(conn, Viewer::Admin, id.0)).await?;
    let names = names_in(&original);
    let idempotency = request.idempotency;
    let command = Command { idempotency, ..reversal(caller.id, &by, &original.transaction, reason) };
    let outcome = ledger.submit(command).await?;
    Ok(made(outcome.is_replayed()).json(posted(outcome, &names, Viewer::Admin)?))
}

/// The command that takes a transaction back.
pub(in crate::web) fn reversal(caller: UserId, by: &By, original: &Transaction, reason: Reason) -> Command {
    Command {
        description: format!("Reversal: {}", original.description).trim_end_matches(": ").to_owned(),
        reason: Some(reason.into_string()),
        origin: by.origin(),
        ..Command::new(caller, Action::Reversal { reverses: original.id })
    }
}

/// What a command led to, as the API tells it.
pub(super) fn posted(outcome: Outcome, names: &HashMap<UserId, String>, viewer: Viewer) -> Result<PostedBody> {
    let transaction = outcome.into_transaction();
    let balance = balance(&transaction);
    Ok(PostedBody { transaction: TransactionBody::new(TransactionView::named(transaction, names)?, viewer), balance })
}

/// What the user whom a transaction is about holds after it.
fn balance(transaction: &Transaction) -> String {
    transaction.sides().0.balance_after.at_scale(transaction.scale.0)
}

fn names_in(view: &TransactionView) -> HashMap<UserId, String> {
    let (about, other) = view.transaction.sides();
    let name = |owner: Owner, name: Option<&String>| match owner {
        Owner::User(user) => Some((user, name?.clone())),
        Owner::Treasury => None,
    };
    [name(about.owner, Some(&view.user)), name(other.owner, view.counterparty.as_ref())].into_iter().flatten().collect()
}

/// The users that movements are about, by name and by row.
pub(in crate::web) struct People {
    caller: UserId,
    ids: HashMap<String, UserId>,
    pub(in crate::web) names: HashMap<UserId, String>,
}

impl People {
    /// Looks up whoever is named and is not the caller.
    ///
    /// # Errors
    /// The database's.
    pub(in crate::web) async fn find(db: &Db, caller: &User, names: impl Iterator<Item = &str>) -> Result<Self> {
        let mut ids = HashMap::from([("me".to_owned(), caller.id), (caller.external_id.clone(), caller.id)]);
        let mut wanted: Vec<&str> =
            names.filter(|name| !ids.contains_key(*name) && ExternalId::parse(name).is_ok()).collect();
        wanted.sort_unstable();
        wanted.dedup();
        ids.extend(db.ids_of(&wanted).await?);
        let named = ids.iter().filter(|(name, _)| *name != "me").map(|(name, id)| (*id, name.clone()));
        Ok(Self { caller: caller.id, names: named.collect(), ids })
    }

    /// Looks up whom a user wants to send to. Nobody finds out by trying many names who is here: those that
    /// nobody has are counted, of each request once.
    ///
    /// # Errors
    /// [`Refusal::UserNotFound`]; those of [`Throttles::guess`].
    async fn seek(
        db: &Db,
        throttles: &Throttles,
        caller: &User,
        receiver: &str,
        now: DateTime<Utc>,
        has_sought: &Cell<bool>,
    ) -> Result<Self> {
        let look = Self::find(db, caller, std::iter::once(receiver));
        if has_sought.get() {
            return look.await;
        }
        let who = caller.id.to_string();
        throttles.check_here((&throttles.receivers, &who), now)?;
        if db.knows(receiver) {
            return look.await;
        }
        let look = async {
            has_sought.set(true);
            look.await.map(|people| people.id(receiver).is_ok().then_some(people))
        };
        let found = throttles.guess((&throttles.receiver_turns, &throttles.receivers), &who, now, look).await?;
        found.ok_or_else(|| Refusal::UserNotFound.into())
    }

    fn id(&self, name: &str) -> std::result::Result<UserId, Refusal> {
        self.ids.get(name).copied().ok_or(Refusal::UserNotFound)
    }
}

/// A movement that can be read and that the caller may ask for; its users are still names.
pub(in crate::web) struct Draft {
    user: String,
    receiver: Option<String>,
    asset_type: AssetTypeCode,
    amount: Amount,
    floor: Option<Balance>,
    kind: Kind,
    description: String,
    metadata: Option<Value>,
    reason: Option<String>,
}

/// The movements that can be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    TopUp,
    Bonus,
    Spend,
    Transfer,
    Adjustment(Direction),
}

impl Draft {
    /// Reads a movement.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where the caller is not an admin and would create value, or names another
    /// user; [`Error::Invalid`] with every field that needs another value; `invalid_amount`;
    /// `asset_type_not_found`.
    pub(in crate::web) fn parse(request: MovementRequest, caller: &User) -> Result<Self> {
        let user = request.user.unwrap_or_else(|| "me".to_owned());
        let mut errors = Vec::new();
        let kind = kind(&request.transaction_type, request.direction.as_deref(), &mut errors);
        let gives = matches!(kind, Some(Kind::Spend | Kind::Transfer) | None);
        let is_own = user == "me" || user == caller.external_id;
        if caller.role != Role::Admin && !(gives && is_own) {
            return Err(Error::Forbidden);
        }
        let mut check = |field: &'static str, fits: bool, message: &'static str| {
            if !fits && kind.is_some() {
                errors.push(FieldError::new(field, message));
            }
        };
        let is_transfer = kind == Some(Kind::Transfer);
        check("receiver", !is_transfer || request.receiver.is_some(), "Name who gets it.");
        check("receiver", is_transfer || request.receiver.is_none(), "Only a transfer has a receiver.");
        let is_adjustment = matches!(kind, Some(Kind::Adjustment(_)));
        check("reason", is_adjustment || request.reason.is_none(), "Only an adjustment has a reason.");
        let leaves = request.minimum_balance.is_some();
        check("minimum_balance", gives || !leaves, "Only a spend or a transfer leaves something.");
        let mut keep = |error: FieldError| errors.push(error);
        let reason = is_adjustment.then(|| Reason::parse(request.reason.as_deref().unwrap_or_default()));
        let reason = reason.transpose().map_err(&mut keep).ok().flatten();
        let description = text_of(request.description).map_err(&mut keep).ok();
        let metadata = attached(request.metadata).map_err(&mut keep).ok();
        let floor = request.minimum_balance.map(|least| Balance::parse_floor(least.as_str())).transpose();
        let floor = floor.map_err(|refusal| keep(FieldError::new("minimum_balance", refusal.to_string()))).ok();
        let amount = Amount::parse(request.amount.as_str());
        match (kind, amount, description, metadata, floor) {
            (Some(kind), Ok(amount), Some(description), Some(metadata), Some(floor)) if errors.is_empty() => Ok(Self {
                user,
                receiver: request.receiver,
                asset_type: AssetTypeCode::parse(&request.asset_type)?,
                amount,
                floor,
                kind,
                description,
                metadata,
                reason: reason.map(Reason::into_string),
            }),
            (_, Err(refusal), ..) if errors.is_empty() => Err(refusal.into()),
            (_, amount, ..) => {
                errors.extend(amount.err().map(|refusal| FieldError::new("amount", refusal.to_string())));
                Err(Error::Invalid(errors))
            }
        }
    }

    /// Whom it names.
    pub(in crate::web) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.user.as_str()).chain(self.receiver.as_deref())
    }

    /// The command, asked for by the caller.
    ///
    /// # Errors
    /// [`Refusal::UserNotFound`].
    pub(in crate::web) fn command(self, people: &People, by: &By, idempotency: Option<Idempotency>) -> Result<Command> {
        let Self { asset_type, amount, floor, .. } = self;
        let movement = Movement { user: people.id(&self.user)?, asset_type, amount };
        let action = match self.kind {
            Kind::TopUp => Action::TopUp(movement),
            Kind::Bonus => Action::Bonus(movement),
            Kind::Spend => Action::Spend { movement, floor },
            Kind::Transfer => {
                let receiver = people.id(self.receiver.as_deref().unwrap_or_default())?;
                Action::Transfer { movement, receiver, floor }
            }
            Kind::Adjustment(direction) => Action::Adjustment { movement, direction },
        };
        Ok(Command {
            idempotency,
            description: self.description,
            metadata: self.metadata,
            reason: self.reason,
            origin: by.origin(),
            ..Command::new(people.caller, action)
        })
    }
}

fn kind(transaction_type: &str, direction: Option<&str>, errors: &mut Vec<FieldError>) -> Option<Kind> {
    let kind = match transaction_type.parse() {
        Ok(TransactionType::TopUp) => Kind::TopUp,
        Ok(TransactionType::Bonus) => Kind::Bonus,
        Ok(TransactionType::Spend) => Kind::Spend,
        Ok(TransactionType::Transfer) => Kind::Transfer,
        Ok(TransactionType::Adjustment) => Kind::Adjustment(Direction::Credit),
        Ok(TransactionType::Claim | TransactionType::Reversal) | Err(_) => {
            errors.push(FieldError::new("type", "Choose top_up, bonus, spend, transfer or adjustment."));
            return None;
        }
    };
    match (kind, direction.map(str::parse)) {
        (Kind::Adjustment(_), Some(Ok(direction))) => return Some(Kind::Adjustment(direction)),
        (Kind::Adjustment(_), _) => errors.push(FieldError::new("direction", "Choose credit or debit.")),
        (_, Some(_)) => errors.push(FieldError::new("direction", "Only an adjustment has a direction.")),
        (_, None) => {}
    }
    Some(kind)
}

fn text_of(description: Option<String>) -> std::result::Result<String, FieldError> {
    let description = description.unwrap_or_default();
    if description.chars().count() > LONGEST_TEXT {
        return Err(FieldError::new("description", "Use at most 500 characters."));
    }
    // JSON has been looked at for it; a form has not.
    if description.contains('\0') {
        return Err(FieldError::new("description", "Leave out the character U+0000."));
    }
    Ok(description)
}

fn attached(metadata: Option<Map<String, Value>>) -> std::result::Result<Option<Value>, FieldError> {
    let metadata = metadata.map(|metadata| kept(Value::Object(metadata)));
    if metadata.as_ref().is_some_and(|metadata| metadata.to_string().len() > LARGEST_METADATA) {
        return Err(FieldError::new("metadata", "Attach at most 4 KiB of JSON."));
    }
    Ok(metadata)
}
