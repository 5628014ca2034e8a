//! A receipt: one page about one movement, for one of its two sides.

use chrono::{DateTime, Utc};
use krilla::tagging::{TableHeaderScope, Tag, TagKind};

use super::sheet::{Branch, Sheets, Side, Spot, Style, WIDTH};
use super::{BODY, LABEL, MARGIN, SECTION, STRONG, Twips, colours, foot, letterhead, print};
use crate::error::Result;

/// Where the values of facts begin.
const VALUES: Twips = MARGIN + 2_700;

/// What a receipt says. All texts are as they are to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What happened, for example "Transfer to bela".
    pub title: String,
    /// What the wallet gained or gave, with its sign and its asset type.
    pub amount: String,
    /// What else is to be said, each under its name.
    pub facts: Vec<(&'static str, String)>,
    /// Whose wallet this is about.
    pub owner: String,
    /// What the wallet held before, by how much that changed, and what it held after.
    pub balances: [String; 3],
    /// What confirms it.
    pub code: String,
    /// The address of the installation, without a slash at its end.
    pub address: String,
    /// When it happened.
    pub time: DateTime<Utc>,
}

impl Receipt {
    /// Typesets the receipt.
    ///
    /// # Errors
    /// [`Error::Broken`](crate::error::Error::Broken) where the document would not be one that
    /// everybody can read.
    pub fn pdf(&self) -> Result<Vec<u8>> {
        let mut sheets = Sheets::new()?;
        letterhead(&mut sheets, &self.address);
        let y = self.headline(&mut sheets);
        let y = self.details(&mut sheets, y + 560);
        let y = self.wallet(&mut sheets, y + 500);
        self.proof(&mut sheets, y + 600);
        foot(&mut sheets, &format!("Receipt {}", self.code));
        print(sheets, &format!("Receipt: {}, {}", self.title, self.amount), &self.code, self.time)
    }

    /// What happened and how much it was; returns where that ends.
    fn headline(&self, sheets: &mut Sheets) -> Twips {
        let lead = Style { size: 240, bold: false, colour: colours::MUTED };
        let receipt = sheets.write(spot(MARGIN, 2_500), Side::Right, "Receipt", lead);
        sheets.read(Branch::heading(1, "Receipt", vec![receipt]));
        let style = Style { size: 720, bold: true, colour: colours::INK };
        let style = sheets.fitting(std::slice::from_ref(&self.amount), WIDTH - 2 * MARGIN, style);
        let amount = sheets.write(spot(MARGIN, 3_300), Side::Right, &self.amount, style);
        sheets.read(Branch::of(Tag::P, vec![amount]));
        let (title, y) =
            lines(sheets, &self.title, spot(MARGIN, 3_760), WIDTH - 2 * MARGIN, Style { size: 260, ..BODY });
        sheets.read(Branch::of(Tag::P, title));
        y
    }

    /// The facts, each in a row; returns where they end.
    fn details(&self, sheets: &mut Sheets, y: Twips) -> Twips {
        let heading = sheets.write(spot(MARGIN, y), Side::Right, "Details", SECTION);
        sheets.read(Branch::heading(2, "Details", vec![heading]));
        let mut y = y + 200;
        let mut rows = Vec::new();
        for (name, value) in &self.facts {
            rule(sheets, y);
            let name = sheets.write(spot(MARGIN, y + 290), Side::Right, name, LABEL);
            let (value, end) = lines(sheets, value, spot(VALUES, y + 290), WIDTH - MARGIN - VALUES, BODY);
            let name = Branch::of(Tag::TH(TableHeaderScope::Row), vec![name]);
            rows.push(Branch::around(Tag::TR, vec![name, Branch::of(Tag::TD, value)]));
            y = end + 130;
        }
        rule(sheets, y);
        sheets.read(Branch::around(Tag::Table, rows));
        y
    }

    /// What the wallet held before and after; returns where that ends.
    fn wallet(&self, sheets: &mut Sheets, y: Twips) -> Twips {
        let title = format!("Wallet of {}", self.owner);
        let (heading, y) = lines(sheets, &title, spot(MARGIN, y), WIDTH - 2 * MARGIN, SECTION);
        sheets.read(Branch::heading(2, &title, heading));
        let third = (WIDTH - 2 * MARGIN) / 3;
        let style = sheets.fitting(&self.balances, third - 120, STRONG);
        let y = y + 200;
        rule(sheets, y);
        let ends = [MARGIN + third, MARGIN + 2 * third, MARGIN + 3 * third];
        let mut row = |texts: [&str; 3], y: Twips, style: Style, tag: &dyn Fn() -> TagKind| {
            let cells = ends.into_iter().zip(texts).map(|(x, text)| {
                let cell = sheets.write(spot(x, y), Side::Left, text, style);
                Branch::of(tag(), vec![cell])
            });
            Branch::around(Tag::TR, cells.collect())
        };
        let column = || Tag::TH(TableHeaderScope::Column).into();
        let head = row(["Before", "Change", "After"], y + 290, LABEL, &column);
        let [before, change, after] = &self.balances;
        let body = row([before, change, after], y + 620, style, &|| Tag::TD.into());
        let head = Branch::around(Tag::THead, vec![head]);
        sheets.read(Branch::around(Tag::Table, vec![head, Branch::around(Tag::TBody, vec![body])]));
        rule(sheets, y + 760);
        y + 760
    }

    /// What confirms the receipt, and where.
    fn proof(&self, sheets: &mut Sheets, y: Twips) {
        let (x, width) = (MARGIN + 280, WIDTH - 2 * MARGIN);
        let address = format!("{}/verify/{}", self.address, self.code);
        let address_lines = sheets.faces.regular.wrap(&address, BODY.size, width - 560).len();
        let height = 1_560 + 270 * Twips::try_from(address_lines.saturating_sub(1)).unwrap_or_default();
        sheets.fill(spot(MARGIN, y), width, height, colours::SOFT);
        let label = sheets.write(spot(x, y + 360), Side::Right, "Receipt code", LABEL);
        let code = Style { size: 320, bold: true, colour: colours::INK };
        let code = sheets.write(spot(x, y + 730), Side::Right, &self.code, code);
        sheets.read(Branch::of(Tag::P, vec![label, code]));
        let says =
            "Anyone can check this receipt. The page confirms number, kind, amount and time, and shows no names:";
        let says = sheets.write(spot(x, y + 1_060), Side::Right, says, LABEL);
        sheets.read(Branch::of(Tag::P, vec![says]));
        let style = Style { colour: colours::ACCENT, ..BODY };
        let (leads, end) = lines(sheets, &address, spot(x, y + 1_340), width - 560, style);
        let link = sheets.link(spot(x, y + 1_160), spot(WIDTH - MARGIN - 280, end + 60), &address, leads);
        sheets.read(link);
    }
}

fn spot(x: Twips, y: Twips) -> Spot {
    Spot { page: 0, x, y }
}

fn rule(sheets: &mut Sheets, y: Twips) {
    sheets.fill(spot(MARGIN, y), WIDTH - 2 * MARGIN, 10, colours::LINE);
}

/// Puts a text in as many lines as it needs; returns its pieces and the base line of the last.
fn lines(sheets: &mut Sheets, text: &str, spot: Spot, width: Twips, style: Style) -> (Vec<usize>, Twips) {
    let runs = sheets.face(style).wrap(text, style.size, width);
    let mut y = spot.y;
    let mut pieces = Vec::new();
    for (number, run) in runs.into_iter().enumerate() {
        y += if number == 0 { 0 } else { style.size * 7 / 5 };
        pieces.push(sheets.put(Spot { y, ..spot }, Side::Right, run, style));
    }
    (pieces, y)
}
