//! Assets from a file of comma-separated values.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use serde::Deserialize;
use uuid::Uuid;

use super::creation::create_rows;
use super::lives::{MOST, sums};
use super::{AssetView, NewAssets, Sum};
use crate::domain::{Amount, AssetKind, AssetTypeCode, CampaignId, Scale, UserId};
use crate::error::{Error, FieldError, Refusal, Result};
use crate::repo::asset_types;
use crate::repo::audit::Actor;
use crate::repo::campaigns::HAS_ENDED;
use crate::schema::{asset_types as types, campaigns as campaign_table, imports};

/// The columns that a file may have; the first four it must have.
pub const COLUMNS: [&str; 8] =
    ["title", "kind", "asset_type", "amount", "description", "expires_at", "campaign_id", "quantity"];
const REQUIRED: usize = 4;

/// How many errors are told one by one.
const MOST_ERRORS: usize = 100;

/// How long an upload waits for its confirmation.
const KEPT_FOR: TimeDelta = TimeDelta::days(1);

/// What a file would create, or all that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportPlan {
    /// What each row creates, with the decimals of its unit.
    pub lines: Vec<(NewAssets, Scale)>,
    /// What is wrong, by row: the first hundred, and how many more. Where there is any, nothing can be
    /// created.
    pub errors: Vec<FieldError>,
}

impl ImportPlan {
    /// How many assets of each unit it creates, and what they are worth together: none while something
    /// is wrong with it.
    pub fn sums(&self) -> Vec<Sum> {
        if !self.errors.is_empty() {
            return Vec::new();
        }
        let each = self.lines.iter().flat_map(|(new, scale)| std::iter::repeat_n((new, scale), new.quantity));
        sums(each.map(|(new, scale)| (&new.asset_type, *scale, &new.amount)))
    }

    /// How many assets it creates.
    pub fn count(&self) -> usize {
        self.lines.iter().map(|(new, _)| new.quantity).sum()
    }
}

/// A row as it is written.
#[derive(Debug, Deserialize)]
struct Row {
    title: String,
    kind: String,
    asset_type: String,
    amount: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    expires_at: String,
    #[serde(default)]
    campaign_id: String,
    #[serde(default)]
    quantity: String,
}

/// What the rows may name: units with their decimals, campaigns with their units and ends.
struct Known {
    scales: HashMap<AssetTypeCode, Scale>,
    campaigns: HashMap<CampaignId, (AssetTypeCode, Option<DateTime<Utc>>)>,
}

impl Row {
    /// What the row creates, or everything that is wrong with it.
    fn parse(&self, known: &Known, now: DateTime<Utc>) -> std::result::Result<(NewAssets, Scale), Vec<FieldError>> {
        let mut errors = Vec::new();
        let kind = self.kind.trim().parse::<AssetKind>();
        if let Err(words) = &kind {
            errors.push(FieldError::new("kind", format!("The kind {words}.")));
        }
        let asset_type = AssetTypeCode::parse(self.asset_type.trim()).ok();
        let unit = asset_type.and_then(|code| known.scales.get(&code).map(|scale| (code, *scale)));
        if unit.is_none() {
            errors.push(FieldError::new("asset_type", "There is no such asset type."));
        }
        let amount = Amount::parse(self.amount.trim());
        let amount = amount.and_then(|amount| match &unit {
            Some((_, scale)) => amount.check_scale(scale.0).map(|()| amount),
            None => Ok(amount),
        });
        if let Err(refusal) = &amount {
            errors.push(FieldError::new("amount", refusal.to_string()));
        }
        let expires_at = optional(&self.expires_at, |text| DateTime::parse_from_rfc3339(text).ok());
        if expires_at.is_none() {
            errors.push(FieldError::new("expires_at", "Write a time such as 2026-12-31T23:59:00Z."));
        }
        let campaign_id = optional(&self.campaign_id, |text| text.parse().ok().map(CampaignId));
        match campaign_id.flatten().map(|id| known.campaigns.get(&id)) {
            Some(Some((_, Some(ends_at)))) if *ends_at <= now => {
                errors.push(FieldError::new("campaign_id", HAS_ENDED));
            }
            Some(Some((wanted, _))) if unit.as_ref().is_some_and(|(code, _)| code != wanted) => {
                let words = format!("Choose {wanted}, the asset type of the campaign.");
                errors.push(FieldError::new("asset_type", words));
            }
            Some(None) => errors.push(FieldError::new("campaign_id", "There is no such campaign.")),
            _ if campaign_id.is_none() => errors.push(FieldError::new("campaign_id", "There is no such campaign.")),
            _ => {}
        }
        // What is no number is out of range.
        let quantity = optional(&self.quantity, |text| text.parse().ok()).map_or(0, |number| number.unwrap_or(1));
        let expires_at = expires_at.flatten().map(|time| time.to_utc());
        errors.extend(NewAssets::faults(&self.title, &self.description, quantity, expires_at, now));
        match (kind, unit, amount) {
            (Ok(kind), Some((asset_type, scale)), Ok(amount)) if errors.is_empty() => {
                let (title, description) = (self.title.clone(), self.description.clone());
                let campaign_id = campaign_id.flatten();
                let new = NewAssets { title, description, kind, asset_type, amount, expires_at, campaign_id, quantity };
                Ok((new, scale))
            }
            _ => Err(errors),
        }
    }
}

/// What stands in a field that may be empty; none where it cannot be read.
fn optional<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    match text.trim() {
        "" => Some(None),
        text => read(text).map(Some),
    }
}

/// The rows of a file, each or why it is none, or what is wrong with the file as a whole.
fn rows(text: &str) -> std::result::Result<Vec<std::result::Result<Row, FieldError>>, FieldError> {
    let wrong = |words: String| FieldError::new("file", words);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::Headers)
        .flexible(true)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let names = reader.headers().map_err(|error| wrong(format!("The first line cannot be read: {error}.")))?.clone();
    let unknown: Vec<&str> = names.iter().filter(|name| !COLUMNS.contains(name)).collect();
    if !unknown.is_empty() {
        return Err(wrong(format!("Leave out what is no column: {}.", unknown.join(", "))));
    }
    let count = |column: &str| names.iter().filter(|name| *name == column).count();
    if let Some(column) = COLUMNS.iter().find(|column| count(column) > 1) {
        return Err(wrong(format!("The column {column} is there twice.")));
    }
    if let Some(column) = COLUMNS.iter().take(REQUIRED).find(|column| count(column) == 0) {
        return Err(wrong(format!("The column {column} is missing. The first line has the names of the columns.")));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        if rows.len() == MOST {
            return Err(wrong("A file may create at most 10,000 credits.".to_owned()));
        }
        let unreadable = |error: csv::Error| wrong(format!("It cannot be read as comma-separated values: {error}."));
        let record = record.map_err(unreadable)?;
        rows.push(match (record.len(), names.len()) {
            (found, wanted) if found != wanted => {
                Err(wrong(format!("The row has {found} fields, and the first line names {wanted}.")))
            }
            _ => Ok(record.deserialize(Some(&names)).map_err(unreadable)?),
        });
    }
    if rows.is_empty() { Err(wrong("There are no rows below the names of the columns.".to_owned())) } else { Ok(rows) }
}

/// Reads a file, and checks all of it.
///
/// # Errors
/// Only those of the database: what is wrong with the file is in the plan.
pub fn read(conn: &mut PgConnection, text: &str, now: DateTime<Utc>) -> Result<ImportPlan> {
    let rows = match rows(text) {
        Ok(rows) => rows,
        Err(error) => return Ok(ImportPlan { lines: Vec::new(), errors: vec![error] }),
    };
    let known = Known {
        scales: asset_types::all(conn)?.into_iter().map(|known| (known.code, known.scale)).collect(),
        campaigns: campaign_table::table
            .filter(
                campaign_table::id
                    .eq_any(rows.iter().flatten().filter_map(|row| row.campaign_id.trim().parse::<i64>().ok())),
            )
            .select((campaign_table::id, (campaign_table::asset_type, campaign_table::ends_at)))
            .load(conn)?
            .into_iter()
            .collect(),
    };
    let mut plan = ImportPlan { lines: Vec::new(), errors: Vec::new() };
    for (row, number) in rows.iter().zip(1..) {
        match row.as_ref().map_err(|error| vec![error.clone()]).and_then(|row| row.parse(&known, now)) {
            Ok(line) => plan.lines.push(line),
            Err(errors) => plan.errors.extend(errors.into_iter().map(|error| error.in_row(number))),
        }
    }
    if plan.count() > MOST {
        plan.errors.push(FieldError::new("file", "A file may create at most 10,000 credits."));
    }
    let untold = plan.errors.len().saturating_sub(MOST_ERRORS);
    if untold > 0 {
        plan.errors.truncate(MOST_ERRORS);
        plan.errors.push(FieldError::new("file", format!("{untold} more are not listed.")));
    }
    Ok(plan)
}

/// Creates what a file says, all or nothing.
///
/// # Errors
/// [`Error::Invalid`] with what is wrong, by row.
pub fn import(conn: &mut PgConnection, actor: &Actor, text: &str, now: DateTime<Utc>) -> Result<Vec<AssetView>> {
    conn.transaction(|conn| {
        let plan = read(conn, text, now)?;
        if !plan.errors.is_empty() {
            return Err(Error::Invalid(plan.errors));
        }
        // What was read stays so until it is written.
        let mut campaign_ids: Vec<CampaignId> = plan.lines.iter().filter_map(|(new, _)| new.campaign_id).collect();
        campaign_ids.sort_unstable();
        campaign_ids.dedup();
        let held: Vec<(CampaignId, AssetTypeCode)> = campaign_table::table
            .filter(campaign_table::id.eq_any(campaign_ids))
            .order(campaign_table::id)
            .select((campaign_table::id, campaign_table::asset_type))
            .for_key_share()
            .load(conn)?;
        let codes: Vec<&str> = plan.lines.iter().map(|(new, _)| new.asset_type.as_str()).collect();
        let scales: Vec<(AssetTypeCode, Scale)> = types::table
            .filter(types::code.eq_any(codes))
            .order(types::code)
            .select((types::code, types::scale))
            .for_key_share()
            .load(conn)?;
        let is_so = |(new, scale): &(NewAssets, Scale)| {
            scales.contains(&(new.asset_type, *scale))
                && new.campaign_id.is_none_or(|id| held.contains(&(id, new.asset_type)))
        };
        if !plan.lines.iter().all(is_so) {
            return Err(Refusal::Changed.into());
        }
        create_rows(conn, actor, &plan.lines, now)
    })
}

/// Keeps a file until somebody confirms it; gives the id under which it is kept.
///
/// # Errors
/// The database's.
pub fn keep(conn: &mut PgConnection, user: UserId, text: &str, now: DateTime<Utc>) -> Result<Uuid> {
    let id = Uuid::new_v4();
    diesel::insert_into(imports::table)
        .values((
            imports::id.eq(id),
            imports::user_id.eq(user),
            imports::content.eq(text.replace('\0', "")),
            imports::created_at.eq(now),
        ))
        .execute(conn)?;
    Ok(id)
}

/// What a kept file says, and whether its credits have been created.
///
/// # Errors
/// [`Error::NotFound`] where the user has kept none under this id, or so long ago that it is
/// forgotten.
pub fn kept(conn: &mut PgConnection, user: UserId, id: Uuid, now: DateTime<Utc>) -> Result<(ImportPlan, bool)> {
    let (text, done_at): (String, Option<DateTime<Utc>>) = imports::table
        .find(id)
        .filter(imports::user_id.eq(user))
        .select((imports::content, imports::done_at))
        .first(conn)?;
    Ok((read(conn, &text, now)?, done_at.is_some()))
}

/// What became of a kept file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// So many assets were created by this call.
    Created(usize),
    /// They had been created before.
    Before,
}

/// Creates what a kept file says: once, however often it is asked for.
///
/// # Errors
/// As [`import`] and [`kept`].
pub fn import_kept(conn: &mut PgConnection, actor: &Actor, id: Uuid, now: DateTime<Utc>) -> Result<Imported> {
    conn.transaction(|conn| {
        let (text, done_at): (String, Option<DateTime<Utc>>) = imports::table
            .find(id)
            .filter(imports::user_id.nullable().eq(actor.user))
            .select((imports::content, imports::done_at))
            .for_update()
            .first(conn)?;
        if done_at.is_some() {
            return Ok(Imported::Before);
        }
        let created = import(conn, actor, &text, now)?.len();
        diesel::update(imports::table.find(id)).set(imports::done_at.eq(now)).execute(conn)?;
        Ok(Imported::Created(created))
    })
}

/// Forgets up to `at_most` files that were kept for a day; says how many. To be called until it says
/// zero.
///
/// # Errors
/// The database's.
pub fn forget_old(conn: &mut PgConnection, now: DateTime<Utc>, at_most: i64) -> Result<usize> {
    let old = imports::table.filter(imports::created_at.lt(now - KEPT_FOR)).select(imports::id).limit(at_most);
    let old: Vec<Uuid> = old.load(conn)?;
    Ok(diesel::delete(imports::table.filter(imports::id.eq_any(old))).execute(conn)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn plan(text: &str) -> Vec<String> {
        let known = Known {
            scales: HashMap::from([(AssetTypeCode::parse("GOLD").unwrap(), Scale(2))]),
            campaigns: HashMap::from([(CampaignId(1), (AssetTypeCode::parse("PTS").unwrap(), None))]),
        };
        let rows = match rows(text) {
            Ok(rows) => rows,
            Err(error) => return vec![error.message.into_owned()],
        };
        rows.iter()
            .map(|row| match row.as_ref().map(|row| row.parse(&known, DateTime::UNIX_EPOCH)) {
                Err(error) => error.message.to_string(),
                Ok(Ok((new, _))) => format!("{} {} x {}", new.title, new.amount, new.quantity),
                Ok(Err(errors)) => errors.iter().map(|error| error.field.as_ref()).collect::<Vec<_>>().join(" "),
            })
            .collect()
    }

    #[test]
    fn a_file_is_read_row_by_row() {
        let text =
            "\u{feff}title,kind,asset_type,amount,quantity\r\nGift,signup,GOLD,12.50,3\r\n\"A, b\",signup,GOLD,1,\r\n";
        assert_eq!(plan(text), ["Gift 12.50 x 3", "A, b 1 x 1"]);
        let text = "amount,title,asset_type,kind,expires_at,campaign_id\n1,T,GOLD,signup,1970-02-01T00:00:00Z,\n";
        assert_eq!(plan(text), ["T 1 x 1"]);
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said_by_column() {
        let head = "title,kind,asset_type,amount,expires_at,campaign_id,quantity\n";
        for (row, fields) in [
            ("T,gift,GOLD,1,,,", "kind"),
            ("T,signup,GOLDEN,1,,,", "asset_type"),
            ("T,signup,GOLD,0.001,,,", "amount"),
            ("T,signup,GOLD,1e5,,,", "amount"),
            ("T,signup,GOLD,1,soon,,", "expires_at"),
            ("T,signup,GOLD,1,,7,", "campaign_id"),
            ("T,signup,GOLD,1,,x,", "campaign_id"),
            ("T,signup,GOLD,1,,1,", "asset_type"),
            ("T,signup,GOLD,1,,,0", "quantity"),
            ("T,signup,GOLD,1,,,many", "quantity"),
            (",x,y,z,,,", "kind asset_type amount title"),
        ] {
            assert_eq!(plan(&format!("{head}{row}\n")), [fields], "{row}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said_once() {
        for (text, words) in [
            ("", "The column title is missing. The first line has the names of the columns."),
            ("title,kind,asset_type,amount\n", "There are no rows below the names of the columns."),
            ("title,kind,asset_type,amount,price\nT,signup,GOLD,1,2\n", "Leave out what is no column: price."),
            ("title,kind,asset_type,amount,title\nT,signup,GOLD,1,2\n", "The column title is there twice."),
        ] {
            assert_eq!(plan(text), [words], "{text}");
        }
    }

    #[test]
    fn a_row_of_another_length_spoils_no_other() {
        let text = "title,kind,asset_type,amount\nT,signup\nT,signup,GOLD,1\nT,signup,GOLD,1,2,3\n";
        let words = |found: usize| format!("The row has {found} fields, and the first line names 4.");
        assert_eq!(plan(text), [words(2), "T 1 x 1".to_owned(), words(6)]);
    }
}
