//! Many transactions in one request.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::keyed::{Keyed, REPLAYED};
use super::movements::{Draft, MovementRequest, People, PostedBody, posted};
use crate::domain::User;
use crate::domain::posting::{Command, Idempotency};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::ledger::{LARGEST_GROUP, Ledger, Outcome, Outcomes};
use crate::repo::Db;
use crate::repo::assets::Viewer;
use crate::web::auth::{Admin, By};
use crate::web::json::Fields;
use crate::web::problem::{Problem, kind};

/// The request that each item would be on its own, so that its key means the same in both places.
const TARGET: [&str; 3] = ["POST", "/api/v1/transactions", ""];

/// Many movements to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// `atomic`: all of them or none. `independent`: each on its own, in their order.
    #[schema(pattern = "^(atomic|independent)$", examples("atomic"))]
    mode: String,
    /// 1 to 1,000 movements. Each may have an `idempotency_key` of its own unless the request has one.
    #[schema(value_type = Vec<MovementRequest>, min_items = 1, max_items = 1_000)]
    transactions: Vec<Box<RawValue>>,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchBody {
    /// Of each movement, in their order.
    data: Vec<ItemBody>,
}

/// What became of one movement of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemBody {
    /// Its place, from 0.
    index: usize,
    /// The status that it would have been answered with on its own.
    status: u16,
    /// What was posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    transaction: Option<PostedBody>,
    /// Why nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<Problem>,
}

/// Posts many transactions
///
/// In their order. Of an atomic batch all are posted, or none; of an independent one each has its own
/// outcome. The body may have 1 MiB.
///
/// # Errors
/// `invalid`, `batch_refused`, `idempotency_key_reused`.
#[utoipa::path(
    post,
    path = "/api/v1/transactions/batch",
    request_body = BatchRequest,
    responses(
        (status = 201, description = "All of an atomic batch were posted.", body = BatchBody),
        (status = 200, description = "What became of each of an independent batch.", body = BatchBody),
    )
)]
pub async fn post(
    admin: Admin,
    by: By,
    request: Keyed<BatchRequest>,
    db: Data<Db>,
    ledger: Data<Ledger>,
) -> Result<HttpResponse> {
    let caller = admin.0.user;
    let atomic = mode(&request.body)?;
    let drafts: Vec<_> = (1..)
        .zip(&request.body.transactions)
        .map(|(item, raw)| read(raw, request.idempotency.as_ref(), item, &caller))
        .collect();
    let people = People::find(&db, &caller, drafts.iter().flatten().flat_map(|(draft, _)| draft.names())).await?;
    let commands = drafts.into_iter().map(|draft| draft.and_then(|(draft, key)| draft.command(&people, &by, key)));
    let outcomes = submit(&ledger, commands.collect(), atomic, request.idempotency.is_some()).await?;

    // What was refused then is looked at anew, and where it passes now, this is no repetition.
    let mut done = outcomes.iter().flatten().peekable();
    let replayed = done.peek().is_some() && done.all(Outcome::is_replayed);
    let data = outcomes.into_iter().enumerate().map(|(index, outcome)| match outcome {
        Ok(outcome) => {
            let transaction = Some(posted(outcome, &people.names, Viewer::Admin)?);
            Ok(ItemBody { index, status: 201, transaction, problem: None })
        }
        Err(error) => {
            let (status, problem) = (kind(&error).0.as_u16(), Some(Problem::new(&error, None)));
            Ok(ItemBody { index, status, transaction: None, problem })
        }
    });
    let data = data.collect::<Result<_>>()?;
    let mut response = if atomic { HttpResponse::Created() } else { HttpResponse::Ok() };
    if replayed {
        response.insert_header(REPLAYED);
    }
    Ok(response.json(BatchBody { data }))
}

/// Whether all are to happen or none.
fn mode(request: &BatchRequest) -> Result<bool> {
    let mut errors = Vec::new();
    if !matches!(request.mode.as_str(), "atomic" | "independent") {
        errors.push(FieldError::new("mode", "Choose atomic or independent."));
    }
    if !(1..=LARGEST_GROUP).contains(&request.transactions.len()) {
        errors.push(FieldError::new("transactions", "Send 1 to 1,000 transactions."));
    }
    if errors.is_empty() { Ok(request.mode == "atomic") } else { Err(Error::Invalid(errors)) }
}

/// One movement, and the key that makes its repetitions harmless: its own, or that of the batch.
fn read(
    raw: &RawValue,
    of_batch: Option<&Idempotency>,
    item: i32,
    caller: &User,
) -> Result<(Draft, Option<Idempotency>)> {
    let request = Keyed::<MovementRequest>::read(TARGET, Fields::read(raw.get().as_bytes())?, None)?;
    let key = match (of_batch, request.idempotency) {
        (Some(_), Some(_)) => {
            return Err(Error::Malformed(
                "Give idempotency keys to the batch or to its transactions, not to both.".into(),
            ));
        }
        (Some(key), None) => Some(Idempotency { item, ..key.clone() }),
        (None, own) => own,
    };
    Ok((Draft::parse(request.body, caller)?, key))
}

/// Submits what can be submitted, and says of each what became of it.
///
/// # Errors
/// [`Error::BatchRefused`]; [`Refusal::IdempotencyKeyReused`] for the one key of all; those of
/// [`Ledger::submit_together`].
async fn submit(
    ledger: &Ledger,
    commands: Vec<Result<Command>>,
    atomic: bool,
    one_key: bool,
) -> Result<Vec<Result<Outcome>>> {
    if atomic && commands.iter().any(Result::is_err) {
        let refused = commands.into_iter().enumerate().filter_map(|(index, command)| Some((index, command.err()?)));
        return Err(Error::BatchRefused(refused.collect()));
    }
    let sound: Vec<Command> = commands.iter().flatten().cloned().collect();
    if sound.is_empty() {
        return Ok(commands.into_iter().filter_map(Result::err).map(Err).collect());
    }
    let is_reused = |refusal: Option<&Refusal>| one_key && refusal == Some(&Refusal::IdempotencyKeyReused);
    match ledger.submit_together(sound, atomic).await? {
        Outcomes::Each(outcomes) if outcomes.iter().any(|outcome| is_reused(outcome.as_ref().err())) => {
            Err(Refusal::IdempotencyKeyReused.into())
        }
        Outcomes::NoneOf(refused) if refused.iter().any(|(_, refusal)| is_reused(Some(refusal))) => {
            Err(Refusal::IdempotencyKeyReused.into())
        }
        Outcomes::Each(outcomes) => {
            let mut outcomes = outcomes.into_iter();
            let missing = || Error::broken("a command of a batch has no outcome");
            let mut next = || outcomes.next().ok_or_else(missing)?.map_err(Error::from);
            Ok(commands.into_iter().map(|command| command.and_then(|_| next())).collect())
        }
        Outcomes::NoneOf(refused) => {
            Err(Error::BatchRefused(refused.into_iter().map(|(index, refusal)| (index, refusal.into())).collect()))
        }
    }
}
