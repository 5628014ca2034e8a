//! Lists that their address narrows: what is chosen, how to take it off, and the way to more.

use std::fmt::Display;
use std::str::FromStr;

use crate::domain::{AssetType, AssetTypeCode, Campaign, Period, TransactionType};
use crate::error::{Error, Result};
use crate::repo::{PageRequest, Sort};
use crate::web::api::range;
use crate::web::pages::parts::type_word;
use crate::web::view::Field;

/// How many campaigns a select offers, the newest.
pub const CAMPAIGNS: i64 = 200;

/// The rows of a page.
const ROWS: i64 = 24;

/// The longest text that is searched for, in characters.
const LONGEST_SEARCH: usize = 200;

/// One option of a select.
pub struct Choice {
    /// What the form sends.
    pub value: String,
    /// What people read.
    pub label: String,
    /// Whether it is chosen.
    pub selected: bool,
}

/// A select of a form, with what is chosen and what is wrong with that.
pub struct SelectField {
    /// Its options.
    pub choices: Vec<Choice>,
    /// What is wrong with it.
    pub error: Option<String>,
}

/// One active filter.
pub struct Chip {
    /// What it asks for.
    pub label: String,
    /// The list without it.
    pub remove_href: String,
}

/// The ways through a list.
pub struct Pager {
    /// The first page; none where this is it.
    pub first: Option<String>,
    /// The next page; none on the last.
    pub next: Option<String>,
}

/// The head of a table's column.
pub struct Header {
    /// What it is called.
    pub label: &'static str,
    /// The list in the order of this column, the other way round where it has that order already;
    /// none where it cannot be sorted by it.
    pub href: Option<String>,
    /// How the list is sorted by it, for `aria-sort`.
    pub sorted: Option<&'static str>,
    /// Whether it holds numbers.
    pub is_number: bool,
}

/// What a table says of one of its columns.
pub struct Column<By> {
    label: &'static str,
    by: Option<By>,
    is_number: bool,
}

impl<By> Column<By> {
    /// A column that the list cannot be sorted by.
    pub const fn plain(label: &'static str) -> Self {
        Self { label, by: None, is_number: false }
    }

    /// A column that the list can be sorted by.
    pub const fn by(label: &'static str, by: By) -> Self {
        Self { label, by: Some(by), is_number: false }
    }

    /// The same column, which holds numbers.
    #[must_use]
    pub const fn numeric(self) -> Self
    where
        By: Copy,
    {
        Self { is_number: true, ..self }
    }
}

/// A list's address: its path, the filters that are active, and its order.
pub struct Address {
    path: String,
    filters: Vec<Filter>,
    /// Where it is not the usual one.
    sort: Option<String>,
}

struct Filter {
    name: &'static str,
    value: String,
    label: String,
}

impl Address {
    /// A list that shows everything.
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into(), filters: Vec::new(), sort: None }
    }

    /// The same list, narrowed by a filter where `value` is given.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Option<impl Display>, label: impl Into<String>) -> Self {
        if let Some(value) = value {
            self.filters.push(Filter { name, value: value.to_string(), label: label.into() });
        }
        self
    }

    /// The same list in an order, which an address does not name where it is the usual one.
    #[must_use]
    pub fn sorted<By: Display + PartialEq>(mut self, sort: &Sort<By>, usual: &Sort<By>) -> Self {
        self.sort = (sort != usual).then(|| sort.to_string());
        self
    }

    /// The order as a form keeps it; empty for the usual one.
    pub fn sort(&self) -> String {
        self.sort.clone().unwrap_or_default()
    }

    /// The heads of its table's columns, while it is in the order `sort`.
    pub fn headers<By: Copy + Display + PartialEq>(
        &self,
        sort: Sort<By>,
        usual: Sort<By>,
        columns: &[Column<By>],
    ) -> Vec<Header> {
        let filters = || self.filters.iter().map(|filter| (filter.name, filter.value.clone()));
        let header = |column: &Column<By>| {
            let sorted = column.by.filter(|by| *by == sort.by);
            let href = column.by.map(|by| {
                let next = Sort { by, descending: if sorted.is_some() { !sort.descending } else { column.is_number } };
                self.href_of(filters().chain((next != usual).then(|| ("sort", next.to_string()))))
            });
            let direction = if sort.descending { "descending" } else { "ascending" };
            Header { label: column.label, href, sorted: sorted.map(|_| direction), is_number: column.is_number }
        };
        columns.iter().map(header).collect()
    }

    /// The address of the whole list as a file.
    pub fn file_href(&self) -> String {
        self.href_of(self.pairs().chain([("format", "csv")]))
    }

    /// The address of its first page.
    pub fn href(&self) -> String {
        self.href_of(self.pairs())
    }

    /// The active filters.
    pub fn chips(&self) -> Vec<Chip> {
        let without = |name: &str| self.href_of(self.pairs().filter(|(other, _)| *other != name));
        self.filters
            .iter()
            .map(|filter| Chip { label: filter.label.clone(), remove_href: without(filter.name) })
            .collect()
    }

    /// The ways on from the page at `cursor`, which `next` follows.
    pub fn pager(&self, cursor: &str, next: Option<&str>) -> Pager {
        self.pager_of("cursor", cursor, next)
    }

    /// The same for one of two lists on a page, by the name of its cursor.
    pub fn pager_of(&self, name: &str, cursor: &str, next: Option<&str>) -> Pager {
        Pager {
            first: (!cursor.is_empty()).then(|| self.href()),
            next: next.map(|next| self.href_of(self.pairs().chain([(name, next)]))),
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let filters = self.filters.iter().map(|filter| (filter.name, filter.value.as_str()));
        filters.chain(self.sort.as_deref().map(|sort| ("sort", sort)))
    }

    fn href_of<'a, Value: AsRef<str>>(&self, pairs: impl Iterator<Item = (&'a str, Value)>) -> String {
        let pairs = pairs.map(|(name, value)| (name, value.as_ref().to_owned()));
        let query = serde_urlencoded::to_string(pairs.collect::<Vec<_>>()).unwrap_or_default();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }
}

/// What is said of days that cannot be.
const WORDS: range::Words = range::Words {
    no_time: "Choose a day of the calendar, like 2024-01-31.",
    backwards: "The last day is before the first. Choose a later one.",
};

/// Two days that a list is narrowed by, both inclusive.
pub struct Days {
    names: (&'static str, &'static str),
    /// The first, as it was filled in.
    pub from: Field,
    /// The last, as it was filled in.
    pub to: Field,
    /// From the one to the other; all times where they cannot be read.
    pub period: Period,
}

impl Days {
    /// Reads the fields `from` and `to`.
    ///
    /// # Errors
    /// None of what was filled in: that is noted at the fields.
    pub fn read(from: &str, to: &str) -> Result<Self> {
        Self::named(("from", "to"), from, to)
    }

    /// Reads two fields of other names.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn named(names: (&'static str, &'static str), from: &str, to: &str) -> Result<Self> {
        let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let (period, errors) = match range::period_or(&WORDS, (names.0, given(from)), (names.1, given(to))) {
            Ok(period) => (period, Vec::new()),
            Err(Error::Invalid(errors)) => (Period::default(), errors),
            Err(error) => return Err(error),
        };
        let (from, to) = (Field::new(names.0, from, &errors), Field::new(names.1, to, &errors));
        Ok(Self { names, from, to, period })
    }

    /// Whether something is wrong with them.
    pub fn are_wrong(&self) -> bool {
        self.from.error.is_some() || self.to.error.is_some()
    }

    /// A list's address, narrowed to them.
    #[must_use]
    pub fn narrow(&self, address: Address) -> Address {
        let given = |field: &Field| Some(field.value.clone()).filter(|text| !text.is_empty() && !self.are_wrong());
        let label = |word: &str, field: &Field| format!("{word} {}", field.value);
        address.with(self.names.0, given(&self.from), label("From", &self.from)).with(
            self.names.1,
            given(&self.to),
            label("Until", &self.to),
        )
    }
}

/// The page at a cursor, or the first one.
///
/// # Errors
/// [`crate::error::Error::InvalidCursor`].
pub fn request(cursor: &str) -> Result<PageRequest> {
    PageRequest::new(Some(ROWS), Some(cursor))
}

/// What is searched for; none where nothing is.
pub fn search(text: &str) -> Option<String> {
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(LONGEST_SEARCH).collect();
    (!text.is_empty()).then_some(text)
}

/// What a filter's word chooses; a word that is none of the choices narrows nothing.
pub fn chosen<T: FromStr>(word: &str) -> Option<T> {
    word.parse().ok()
}

/// The asset type that a filter chooses; an empty or impossible code narrows nothing.
pub fn chosen_asset_type(code: &str) -> Option<AssetTypeCode> {
    AssetTypeCode::parse(code.trim()).ok()
}

/// The options of a select: first the one for nothing chosen.
pub fn choices<V: Display>(none: &str, options: impl IntoIterator<Item = (V, String)>, chosen: &str) -> Vec<Choice> {
    let first = Choice { value: String::new(), label: none.to_owned(), selected: chosen.is_empty() };
    let others = options.into_iter().map(|(value, label)| {
        let value = value.to_string();
        Choice { selected: value == chosen, value, label }
    });
    std::iter::once(first).chain(others).collect()
}

/// The options of a select of asset types.
pub fn asset_type_choices(none: &str, asset_types: &[AssetType], chosen: &str) -> Vec<Choice> {
    let options = asset_types.iter().map(|known| (&known.code, format!("{} ({})", known.name, known.code)));
    choices(none, options, chosen)
}

/// The options of a select of campaigns. What is chosen is among them, however old it is.
pub fn campaign_choices(none: &str, campaigns: &[Campaign], chosen: &str) -> Vec<Choice> {
    let options = campaigns.iter().map(|known| (known.id, format!("{} ({})", known.title, known.asset_type)));
    let mut choices = choices(none, options, chosen);
    if !choices.iter().any(|choice| choice.selected) {
        choices.push(Choice { value: chosen.to_owned(), label: format!("Campaign {chosen}"), selected: true });
    }
    choices
}

/// The options of a select of reasons why value moved.
pub fn type_choices(chosen: Option<TransactionType>) -> Vec<Choice> {
    let types = TransactionType::ALL.iter().map(|&known| (known, type_word(known).to_owned()));
    choices("All types", types, chosen.map(TransactionType::as_str).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_can_be_taken_off_alone() {
        let list = Address::new("/credits").with("q", Some("a b&c"), "“a b&c”").with("kind", Some("signup"), "Signup");
        assert_eq!(list.href(), "/credits?q=a+b%26c&kind=signup");
        let without: Vec<_> = list.chips().into_iter().map(|chip| chip.remove_href).collect();
        assert_eq!(without, ["/credits?kind=signup", "/credits?q=a+b%26c"]);
        let pager = list.pager("", Some("Mjc"));
        assert_eq!((pager.first, pager.next.as_deref()), (None, Some("/credits?q=a+b%26c&kind=signup&cursor=Mjc")));
        assert_eq!(list.pager("Mjc", None).first.as_deref(), Some("/credits?q=a+b%26c&kind=signup"));
        assert_eq!(Address::new("/claims").with("q", None::<&str>, "").href(), "/claims");
    }

    #[test]
    fn a_column_sorts_the_list_and_then_turns_it_round() {
        let (usual, columns) =
            (Sort::descending("created"), [Column::by("Created", "created"), Column::plain("Owner")]);
        let list = |sort: &Sort<&'static str>| Address::new("/admin").with("q", Some("a"), "a").sorted(sort, &usual);
        let hrefs = |sort| -> Vec<_> {
            let headers = list(&sort).headers(sort, usual, &columns);
            headers.into_iter().map(|header| (header.href, header.sorted)).collect()
        };
        let created = |href: &str, sorted| vec![(Some(href.to_owned()), Some(sorted)), (None, None)];
        assert_eq!(hrefs(usual), created("/admin?q=a&sort=created", "descending"));
        assert_eq!(hrefs(Sort::ascending("created")), created("/admin?q=a", "ascending"));
        assert_eq!(list(&Sort::ascending("created")).file_href(), "/admin?q=a&sort=created&format=csv");
    }

    #[test]
    fn a_search_for_blanks_is_none() {
        assert_eq!(search(" \t\0 "), None);
        assert_eq!(search("  two words "), Some("two words".to_owned()));
    }
}
