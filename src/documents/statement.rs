//! A statement: all that came and went in one wallet in a period, with the running balance.

use chrono::{DateTime, Utc};
use krilla::tagging::{TableHeaderScope, Tag};

use super::sheet::{Branch, HEIGHT, Sheets, Side, Spot, Style, WIDTH};
use super::text::Run;
use super::{BODY, LABEL, MARGIN, STRONG, Twips, colours, foot, letterhead, print};
use crate::error::Result;

/// The most rows of one statement: some 350 pages.
pub const MOST_ROWS: usize = 10_000;

/// Where the rows of the first page begin, and those of the others.
const FIRST: Twips = 5_150;
const NEXT: Twips = 1_300;
/// Where rows end.
const LAST: Twips = HEIGHT - 1_400;
/// What a line takes, and what is between two rows.
const LINE: Twips = 250;
const GAP: Twips = 130;
/// Where what happened begins, how wide that may be, and where the amounts end.
const WHAT: Twips = MARGIN + 1_980;
const WHAT_WIDTH: Twips = 3_770;
const AMOUNT: Twips = WIDTH - MARGIN - 1_950;

/// The size of what stands in a row.
const SMALL: Style = Style { size: 165, ..BODY };

/// What a statement says. All texts are as they are to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The asset type, for example "GOLD · Gold coins".
    pub title: String,
    /// Whose wallet it is.
    pub owner: String,
    /// The period, for example "1 Jan 2026 to 31 Jan 2026 (UTC)".
    pub period: String,
    /// What the wallet held before the period, what came, what went, and what it held at its end.
    pub totals: [String; 4],
    /// What happened, the oldest first.
    pub rows: Vec<Row>,
    /// The address of the installation, without a slash at its end.
    pub address: String,
    /// The time of the newest row, or of the period's end.
    pub time: DateTime<Utc>,
}

/// One movement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// When.
    pub time: String,
    /// What happened, for example "Transfer to bela".
    pub title: String,
    /// What it was for.
    pub description: String,
    /// What the wallet gained or gave, with its sign.
    pub amount: String,
    /// What it held afterwards.
    pub balance: String,
}

impl Statement {
    /// Typesets the statement.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::error::Error::Broken) where the document would not be one that
    /// everybody can read.
    pub fn pdf(&self) -> Result<Vec<u8>> {
        let mut sheets = Sheets::new()?;
        letterhead(&mut sheets, &self.address);
        self.headline(&mut sheets);
        self.summary(&mut sheets);
        self.table(&mut sheets);
        let title = format!("Statement: {}, {}", self.title, self.period);
        foot(&mut sheets, &title);
        print(sheets, &title, &format!("{} {title}", self.owner), self.time)
    }

    fn headline(&self, sheets: &mut Sheets) {
        let at = |y| Spot { page: 0, x: MARGIN, y };
        let lead = Style { size: 240, bold: false, colour: colours::MUTED };
        let statement = sheets.write(at(2_400), Side::Right, "Statement", lead);
        sheets.read(Branch::heading(1, "Statement", vec![statement]));
        let title = sheets.first_line(&self.title, WIDTH - 2 * MARGIN, Style { size: 400, ..STRONG });
        let title = sheets.put(at(2_900), Side::Right, title, Style { size: 400, ..STRONG });
        let about = format!("Wallet of {} · {}", self.owner, self.period);
        let about = sheets.first_line(&about, WIDTH - 2 * MARGIN, LABEL);
        let about = sheets.put(at(3_250), Side::Right, about, LABEL);
        sheets.read(Branch::of(Tag::P, vec![title]));
        sheets.read(Branch::of(Tag::P, vec![about]));
    }

    /// The four totals side by side.
    fn summary(&self, sheets: &mut Sheets) {
        let (y, width) = (3_600, WIDTH - 2 * MARGIN);
        sheets.fill(Spot { page: 0, x: MARGIN, y }, width, 900, colours::SOFT);
        let quarter = width / 4;
        let style = sheets.fitting(&self.totals, quarter - 240, STRONG);
        let names = ["Opening balance", "Received", "Given", "Closing balance"];
        let mut cells = Vec::new();
        for (place, (name, total)) in (0..).zip(names.into_iter().zip(&self.totals)) {
            let x = MARGIN + place * quarter + 180;
            let name = sheets.write(Spot { page: 0, x, y: y + 350 }, Side::Right, name, LABEL);
            let total = sheets.write(Spot { page: 0, x, y: y + 660 }, Side::Right, total, style);
            cells.push(Branch::of(Tag::P, vec![name, total]));
        }
        cells.into_iter().for_each(|cell| sheets.read(cell));
    }

    /// The rows, on as many pages as they need, each with the names of the columns.
    fn table(&self, sheets: &mut Sheets) {
        if self.rows.is_empty() {
            let none = "Nothing came or went in this period.";
            let none = sheets.write(Spot { page: 0, x: MARGIN, y: FIRST }, Side::Right, none, BODY);
            return sheets.read(Branch::of(Tag::P, vec![none]));
        }
        let columns = self.rows.iter().map(|row| &row.balance).chain(self.rows.iter().map(|row| &row.amount));
        let widest = columns.max_by_key(|number| number.chars().count()).cloned().unwrap_or_default();
        let numbers = sheets.fitting(&[widest], WIDTH - MARGIN - AMOUNT - 120, SMALL);
        let head = head(sheets, 0, FIRST);
        let mut place = Spot { page: 0, x: MARGIN, y: FIRST + 120 };
        let mut rows = Vec::new();
        for row in &self.rows {
            let lines = lines_of(sheets, row);
            let height = GAP + LINE * Twips::try_from(lines.len().max(1)).unwrap_or(1);
            if place.y + height > LAST {
                place = Spot { page: sheets.turn(), y: NEXT + 120, ..place };
                repeated_head(sheets, place.page, NEXT);
            }
            rows.push(print_row(sheets, row, lines, place, numbers));
            place.y += height;
            sheets.fill(place, WIDTH - 2 * MARGIN, 6, colours::LINE);
        }
        let head = Branch::around(Tag::THead, vec![head]);
        sheets.read(Branch::around(Tag::Table, vec![head, Branch::around(Tag::TBody, rows)]));
    }
}

const COLUMNS: [(&str, Twips, Side); 4] = [
    ("Date and time (UTC)", MARGIN, Side::Right),
    ("What happened", WHAT, Side::Right),
    ("Amount", AMOUNT, Side::Left),
    ("Balance", WIDTH - MARGIN, Side::Left),
];

fn head(sheets: &mut Sheets, page: usize, y: Twips) -> Branch {
    let cells = COLUMNS.map(|(name, x, side)| {
        let name = sheets.write(Spot { page, x, y }, side, name, LABEL);
        Branch::of(Tag::TH(TableHeaderScope::Column), vec![name])
    });
    sheets.fill(Spot { page, x: MARGIN, y: y + 110 }, WIDTH - 2 * MARGIN, 14, colours::MUTED);
    Branch::around(Tag::TR, cells.into())
}

/// The head on a later page, for the eye alone.
fn repeated_head(sheets: &mut Sheets, page: usize, y: Twips) {
    for (name, x, side) in COLUMNS {
        sheets.repeat(Spot { page, x, y }, side, name, LABEL);
    }
    sheets.fill(Spot { page, x: MARGIN, y: y + 110 }, WIDTH - 2 * MARGIN, 14, colours::MUTED);
}

/// The lines of what happened: the title's, then those of what it was for.
fn lines_of(sheets: &Sheets, row: &Row) -> Vec<(Run, Style)> {
    let (title, text) = (Style { bold: true, ..SMALL }, Style { colour: colours::MUTED, ..SMALL });
    let lines = |words: &str, style| {
        sheets.face(style).wrap(words, style.size, WHAT_WIDTH).into_iter().map(move |run| (run, style))
    };
    lines(&row.title, title).chain(lines(&row.description, text)).collect()
}

fn print_row(sheets: &mut Sheets, row: &Row, lines: Vec<(Run, Style)>, place: Spot, numbers: Style) -> Branch {
    let y = place.y + 240;
    let time = sheets.write(Spot { y, ..place }, Side::Right, &row.time, SMALL);
    let mut what = Vec::new();
    for (number, (run, style)) in (0..).zip(lines) {
        what.push(sheets.put(Spot { x: WHAT, y: y + number * LINE, ..place }, Side::Right, run, style));
    }
    let amount = sheets.write(Spot { x: AMOUNT, y, ..place }, Side::Left, &row.amount, numbers);
    let balance = sheets.write(Spot { x: WIDTH - MARGIN, y, ..place }, Side::Left, &row.balance, numbers);
    let cells = [vec![time], what, vec![amount], vec![balance]];
    Branch::around(Tag::TR, cells.into_iter().map(|cell| Branch::of(Tag::TD, cell)).collect())
}
