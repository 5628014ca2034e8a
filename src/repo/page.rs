//! Keyset paging: a list gives out an opaque cursor that names its last row, and the next page
//! starts behind it, however many rows have come in front meanwhile.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use crate::domain::{Amount, AssetTypeCode, TransactionId};
use crate::error::{Error, Result};

/// How many rows a page has at most, and behind which row it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    limit: i64,
    cursor: Option<String>,
}

impl PageRequest {
    /// The most rows of one page.
    pub const MOST: i64 = 200;
    /// How many rows a page has where nobody says.
    pub const USUAL: i64 = 50;

    /// The first page, with `limit` rows.
    pub fn first(limit: i64) -> Self {
        Self { limit, cursor: None }
    }

    /// Reads `?limit=` and `?cursor=`.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a limit outside of 1 to 200, [`Error::InvalidCursor`] for a cursor
    /// that no list gave out.
    pub fn new(limit: Option<i64>, cursor: Option<&str>) -> Result<Self> {
        let limit = limit.unwrap_or(Self::USUAL);
        if !(1..=Self::MOST).contains(&limit) {
            return Err(Error::Malformed("limit must be a whole number from 1 to 200.".into()));
        }
        let cursor = cursor.filter(|text| !text.is_empty()).map(decode).transpose()?;
        Ok(Self { limit, cursor })
    }

    /// A page of a list that is written into a file: the first one, or the one behind a cursor.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`].
    pub fn of_file(cursor: Option<&str>) -> Result<Self> {
        Ok(Self { limit: 1_000, cursor: cursor.map(decode).transpose()? })
    }

    /// One row more than the page has, to learn whether another page follows.
    pub(crate) fn look_ahead(&self) -> i64 {
        self.limit + 1
    }

    /// The key behind which the page of this list starts. What the list is called tells its rows and
    /// their order from those of others, and a filter does not change it.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`] where another list gave the cursor out.
    pub(crate) fn after<K: CursorKey>(&self, list: &str) -> Result<Option<K>> {
        let key = |cursor: &str| K::read(cursor.strip_prefix(list)?.strip_prefix(':')?);
        self.cursor.as_deref().map(|cursor| key(cursor).ok_or(Error::InvalidCursor)).transpose()
    }
}

fn decode(cursor: &str) -> Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Error::InvalidCursor)?;
    String::from_utf8(bytes).map_err(|_| Error::InvalidCursor)
}

/// What names a row of a list, in the list's order.
pub(crate) trait CursorKey: Sized {
    /// The key as text.
    fn write(&self) -> String;
    /// The key from its text.
    fn read(text: &str) -> Option<Self>;
}

impl CursorKey for i64 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl<Id: Display + FromStr> CursorKey for (DateTime<Utc>, Id) {
    fn write(&self) -> String {
        format!("{}.{}", self.0.timestamp_micros(), self.1)
    }

    fn read(text: &str) -> Option<Self> {
        let (micros, id) = text.split_once('.')?;
        let micros = micros.parse().ok().filter(|micros| *micros >= 0)?;
        Some((DateTime::from_timestamp_micros(micros)?, id.parse().ok()?))
    }
}

impl CursorKey for (DateTime<Utc>, i64, i64) {
    fn write(&self) -> String {
        format!("{}.{}", (self.0, self.1).write(), self.2)
    }

    fn read(text: &str) -> Option<Self> {
        let (first, last) = text.rsplit_once('.')?;
        let (time, middle) = CursorKey::read(first)?;
        Some((time, middle, last.parse().ok()?))
    }
}

impl CursorKey for String {
    fn write(&self) -> String {
        self.clone()
    }

    fn read(text: &str) -> Option<Self> {
        // No text in the database holds the character zero, and PostgreSQL takes none that does.
        (!text.contains('\0')).then(|| text.to_owned())
    }
}

/// A value that several rows may have, and which of them it is.
impl<Value: CursorKey> CursorKey for (Value, i64) {
    fn write(&self) -> String {
        format!("{}/{}", self.0.write(), self.1)
    }

    fn read(text: &str) -> Option<Self> {
        let (value, id) = text.rsplit_once('/')?;
        Some((Value::read(value)?, id.parse().ok()?))
    }
}

impl CursorKey for Amount {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl CursorKey for TransactionId {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl CursorKey for AssetTypeCode {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows in the order of the list, as a rule newest first.
    pub items: Vec<T>,
    /// Where the next page starts; none on the last.
    pub next_cursor: Option<String>,
}

/// The order of a list: by which of its columns, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort<Column> {
    /// The column.
    pub by: Column,
    /// Whether the largest or newest comes first.
    pub descending: bool,
}

impl<Column> Sort<Column> {
    /// The smallest, oldest or first of the alphabet first.
    pub const fn ascending(by: Column) -> Self {
        Self { by, descending: false }
    }

    /// The largest, newest or last of the alphabet first.
    pub const fn descending(by: Column) -> Self {
        Self { by, descending: true }
    }
}

/// As addresses have it: the column's word, behind a minus sign where it is descending.
impl<Column: Display> Display for Sort<Column> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.descending { "-" } else { "" }, self.by)
    }
}

impl<Column: FromStr> FromStr for Sort<Column> {
    type Err = Column::Err;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        match text.strip_prefix('-') {
            Some(column) => column.parse().map(Self::descending),
            None => text.parse().map(Self::ascending),
        }
    }
}

impl<T> Page<T> {
    /// A page without rows, of a list that is not shown.
    pub const fn empty() -> Self {
        Self { items: Vec::new(), next_cursor: None }
    }

    /// The same page with other rows.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next_cursor: self.next_cursor }
    }

    /// A page from all rows of a short list, in the order of their keys.
    ///
    /// # Errors
    /// As [`PageRequest::after`].
    pub(crate) fn from_all<K: CursorKey + Ord>(
        mut rows: Vec<T>,
        request: &PageRequest,
        list: &str,
        key: impl Fn(&T) -> K,
    ) -> Result<Self> {
        if let Some(after) = request.after::<K>(list)? {
            rows.retain(|row| key(row) > after);
        }
        rows.sort_by_key(&key);
        Ok(Self::from_rows(rows, request, list, key))
    }

    /// A page from the rows of a query that looked one ahead, in the list that
    /// [`after`](PageRequest::after) was asked for.
    pub(crate) fn from_rows<K: CursorKey>(
        mut rows: Vec<T>,
        request: &PageRequest,
        list: &str,
        key: impl Fn(&T) -> K,
    ) -> Self {
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let cursor = |row: &T| URL_SAFE_NO_PAD.encode(format!("{list}:{}", key(row).write()));
        let next_cursor = if more { rows.last().map(cursor) } else { None };
        Self { items: rows, next_cursor }
    }
}
