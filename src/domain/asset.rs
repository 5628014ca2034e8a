//! Units of account (asset types) and single claimable credits (assets).

use arrayvec::ArrayString;
use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{SmallInt, Text};

use super::{Amount, AssetId, Balance, CampaignId};
use crate::error::Refusal;

text_enum! {
    /// Why a credit is given.
    pub enum AssetKind {
        /// For registering.
        Signup = "signup",
        /// For bringing somebody.
        Referral = "referral",
        /// For any other occasion.
        Promotional = "promotional",
    }
}

text_enum! {
    /// Where an asset is in its life. Claimed is final.
    pub enum AssetStatus {
        /// Waits for its claim.
        Available = "available",
        /// Has its one owner, for ever.
        Claimed = "claimed",
        /// Ran out before anyone claimed it.
        Expired = "expired",
    }
}

/// The code of an asset type, for example `GOLD`: a capital letter and 1 to 11 more capital letters
/// or digits.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    AsExpression,
    FromSqlRow,
    serde::Serialize,
    utoipa::ToSchema,
)]
#[schema(value_type = String, pattern = "^[A-Z][A-Z0-9]{1,11}$", examples("GOLD"))]
#[diesel(sql_type = Text)]
#[serde(transparent)]
pub struct AssetTypeCode(ArrayString<LONGEST_CODE>);

const LONGEST_CODE: usize = 12;

impl AssetTypeCode {
    /// Reads a code. What cannot be one names nothing, as a code that nobody has given out does.
    ///
    /// # Errors
    /// [`Refusal::AssetTypeNotFound`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let valid = text.len() >= 2
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        let code = ArrayString::from(text).ok().filter(|_| valid).map(Self);
        code.ok_or_else(|| Refusal::AssetTypeNotFound(text.chars().take(64).collect()))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> serde::Deserialize<'de> for AssetTypeCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Display for AssetTypeCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl ToSql<Text, Pg> for AssetTypeCode {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <str as ToSql<Text, Pg>>::to_sql(&self.0, out)
    }
}

impl FromSql<Text, Pg> for AssetTypeCode {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(ArrayString::from(std::str::from_utf8(value.as_bytes())?).map_err(arrayvec::CapacityError::simplify)?))
    }
}

/// A unit of account.
#[derive(Debug, Clone, PartialEq, Eq, diesel::Queryable, diesel::Selectable, diesel::Insertable)]
#[diesel(table_name = crate::schema::asset_types)]
pub struct AssetType {
    /// The name in URLs and bodies.
    pub code: AssetTypeCode,
    /// The name for people.
    pub name: String,
    /// How many decimals its amounts have, 0 to 4.
    pub scale: Scale,
    /// The least that a user's wallet may hold after a debit.
    pub minimum_balance: Balance,
    /// Whether users may transfer it to each other.
    pub transferable: bool,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// How many decimals the amounts of an asset type have, 0 to 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
#[diesel(sql_type = SmallInt)]
pub struct Scale(pub u8);

impl Scale {
    /// The most decimals.
    pub const MOST: u8 = 4;
}

impl ToSql<SmallInt, Pg> for Scale {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        <i16 as ToSql<SmallInt, Pg>>::to_sql(&i16::from(self.0), &mut out.reborrow())
    }
}

impl FromSql<SmallInt, Pg> for Scale {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        let stored = <i16 as FromSql<SmallInt, Pg>>::from_sql(value)?;
        Ok(Self(u8::try_from(stored)?))
    }
}

/// One claimable credit.
#[derive(Debug, Clone, PartialEq, Eq, diesel::Queryable, diesel::Selectable)]
#[diesel(table_name = crate::schema::assets)]
pub struct Asset {
    /// The row and the public number.
    pub id: AssetId,
    /// The voucher code that claims it.
    pub code: String,
    /// What it is called.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// Why it is given.
    pub kind: AssetKind,
    /// The unit of its amount.
    pub asset_type: AssetTypeCode,
    /// What its owner gets.
    pub amount: Amount,
    /// Where it is in its life.
    pub status: AssetStatus,
    /// From when on it can no longer be claimed.
    pub expires_at: Option<DateTime<Utc>>,
    /// The campaign it was released with.
    pub campaign_id: Option<CampaignId>,
    /// The expired asset that it replaces.
    pub recreated_from: Option<AssetId>,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

impl Asset {
    /// Whether nobody can claim it any more since its time has come, whether or not the job has seen that.
    pub fn has_expired(&self, now: DateTime<Utc>) -> bool {
        match self.status {
            AssetStatus::Available => self.expires_at.is_some_and(|expires_at| expires_at <= now),
            AssetStatus::Expired => true,
            AssetStatus::Claimed => false,
        }
    }
}

/// 32 characters that are not taken for each other: without 0, 1, I and O.
pub(super) const READABLE: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// A code of so many readable characters, as people type it: case, dashes and blanks do not matter.
pub(super) fn readable(text: &str, length: usize) -> Option<String> {
    let characters = text.chars().filter(|character| *character != '-' && !character.is_whitespace());
    // One more than there may be is too many already.
    let code: String = characters.take(length + 1).map(|character| character.to_ascii_uppercase()).collect();
    (code.len() == length && code.bytes().all(|byte| READABLE.contains(&byte))).then_some(code)
}

/// What redeems one asset, for whoever types it: 13 letters and digits without look-alikes, 65 random bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoucherCode(String);

impl VoucherCode {
    const LENGTH: usize = 13;

    /// Makes a code from random bytes, one for each of its characters.
    pub fn from_random(bytes: [u8; Self::LENGTH]) -> Self {
        Self(
            bytes
                .iter()
                .filter_map(|byte| READABLE.get(usize::from(byte % 32)))
                .map(|&character| char::from(character))
                .collect(),
        )
    }

    /// Reads a code as people type it: case, dashes and blanks do not matter. What cannot be one
    /// claims nothing, as a code that nobody has given out does.
    ///
    /// # Errors
    /// [`Refusal::AssetNotFound`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        readable(text, Self::LENGTH).map(Self).ok_or(Refusal::AssetNotFound)
    }

    /// The code as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn case_dashes_and_blanks_of_a_voucher_code_do_not_matter() {
        for typed in ["ABCDEFGHJK234", "abcdefghjk234", "ABCD-EFGH-JK234", " abcd efgh\tJK23-4\n", "-ABCDEFGHJK234--"] {
            assert_eq!(VoucherCode::parse(typed).unwrap().as_str(), "ABCDEFGHJK234", "{typed}");
        }
        let made = VoucherCode::from_random([7, 77, 177, 0, 31, 32, 255, 1, 2, 3, 4, 5, 6]);
        assert_eq!(VoucherCode::parse(&made.as_str().to_lowercase()), Ok(made));
        let long = "A".repeat(10_000);
        for other in [
            "",
            "-",
            "ABCDEFGHJK23",
            "ABCDEFGHJK2345",
            "ABCDEFGHJK231",
            "ABCDEFGHJK23O",
            "ÀBCDEFGHJK234",
            "ABCDEFGHJK23_",
            "\0",
            &long,
        ] {
            assert_eq!(VoucherCode::parse(other), Err(Refusal::AssetNotFound), "{other:.20}");
        }
    }
}
