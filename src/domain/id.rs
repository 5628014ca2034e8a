//! One type per key, so that an asset's number cannot be passed where a user's is due.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::{Pg, PgValue};
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types;
use uuid::Uuid;

macro_rules! id {
    ($(#[$meta:meta])* $name:ident($inner:ty, $sql_type:ty)) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow,
            serde::Serialize, serde::Deserialize, utoipa::ToSchema,
        )]
        #[diesel(sql_type = $sql_type)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl ToSql<$sql_type, Pg> for $name {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
                <$inner as ToSql<$sql_type, Pg>>::to_sql(&self.0, out)
            }
        }

        impl FromSql<$sql_type, Pg> for $name {
            fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
                <$inner as FromSql<$sql_type, Pg>>::from_sql(value).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = <$inner as FromStr>::Err;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id!(
    /// A user's row. Never shown outside; people and scripts use the external id.
    UserId(i64, sql_types::BigInt)
);
id!(
    /// An asset.
    AssetId(i64, sql_types::BigInt)
);
id!(
    /// A campaign.
    CampaignId(i64, sql_types::BigInt)
);
id!(
    /// A wallet.
    WalletId(i64, sql_types::BigInt)
);
id!(
    /// A transaction: a UUIDv7 made before the posting, so that a lost answer can be looked up.
    TransactionId(Uuid, sql_types::Uuid)
);
id!(
    /// A session of a browser or of a script: a random UUIDv4.
    SessionId(Uuid, sql_types::Uuid)
);
id!(
    /// A personal API key.
    ApiKeyId(i64, sql_types::BigInt)
);

impl TransactionId {
    /// A new id, ordered by time (RFC 9562, version 7).
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// What is smaller than all ids made at `time` or later, and greater than all made before.
    pub fn first_at(time: DateTime<Utc>) -> Self {
        let milliseconds = u128::try_from(time.timestamp_millis()).unwrap_or_default();
        Self(Uuid::from_u128(milliseconds << 80))
    }
}

impl Default for TransactionId {
    fn default() -> Self {
        Self::new()
    }
}

impl SessionId {
    /// A new id that cannot be guessed.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}
