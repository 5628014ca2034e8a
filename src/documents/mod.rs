//! Documents on paper: plain data in, a PDF out. Nothing here asks a database or a clock, so that the
//! same data always give the same bytes.
//!
//! Everything is measured in twips, a twentieth of a point, in whole numbers. Each document is an
//! accessible PDF (PDF/UA-1): its text can be selected, and is tagged in the order of reading. Where
//! the font lacks a character, its number stands for it, as in `[U+674E]`.

mod mark;
pub mod receipt;
mod sheet;
pub mod statement;
mod text;

use chrono::{DateTime, Datelike, Timelike, Utc};
use krilla::SerializeSettings;
use krilla::configure::{Accessibility, ConfigurationBuilder};
use krilla::metadata::{DateTime as Date, Metadata};

use crate::error::{Error, Result};
use sheet::{HEIGHT, Sheets, Side, Spot, Style, WIDTH};

/// A length: a twentieth of a point.
type Twips = i32;

/// Red, green and blue.
type Colour = (u8, u8, u8);

/// The language that the documents are in.
const LANGUAGE: &str = "en";

/// How far everything stays from the edges of the paper.
const MARGIN: Twips = 1_134;

/// The colours of the pages in the light theme.
mod colours {
    use super::Colour;

    pub const INK: Colour = (28, 32, 44);
    pub const MUTED: Colour = (84, 91, 107);
    pub const ACCENT: Colour = (79, 60, 201);
    pub const LINE: Colour = (217, 220, 228);
    pub const SOFT: Colour = (244, 244, 252);
}

/// What is read.
const BODY: Style = Style { size: 190, bold: false, colour: colours::INK };
/// What names it.
const LABEL: Style = Style { size: 170, bold: false, colour: colours::MUTED };
/// What stands out in it.
const STRONG: Style = Style { size: 190, bold: true, colour: colours::INK };
/// What heads a section.
const SECTION: Style = Style { size: 250, bold: true, colour: colours::INK };

/// The name at the head of the first page, and below it the address of the installation.
fn letterhead(sheets: &mut Sheets, address: &str) {
    let name = Style { size: 340, bold: true, colour: colours::INK };
    sheets.mark(Spot { page: 0, x: MARGIN, y: 1_000 }, 560);
    let name = sheets.write(Spot { page: 0, x: MARGIN + 680, y: 1_400 }, Side::Right, "Coffer", name);
    let host = address.split_once("://").map_or(address, |(_, host)| host);
    let host = sheets.first_line(host, WIDTH / 2, LABEL);
    let host = sheets.put(Spot { page: 0, x: WIDTH - MARGIN, y: 1_390 }, Side::Left, host, LABEL);
    sheets.read(sheet::Branch::of(krilla::tagging::Tag::P, vec![name, host]));
}

/// The line at the foot of every page: what this is, and which page of how many.
fn foot(sheets: &mut Sheets, title: &str) {
    let pages = sheets.pages();
    for page in 0..pages {
        let y = HEIGHT - 800;
        sheets.fill(Spot { page, x: MARGIN, y: y - 320 }, WIDTH - 2 * MARGIN, 10, colours::LINE);
        let line = sheets.first_line(title, WIDTH * 2 / 3, LABEL);
        sheets.repeat(Spot { page, x: MARGIN, y }, Side::Right, &line.text, LABEL);
        let number = format!("Page {} of {pages}", page + 1);
        sheets.repeat(Spot { page, x: WIDTH - MARGIN, y }, Side::Left, &number, LABEL);
    }
}

/// Makes the file.
fn print(sheets: Sheets, title: &str, id: &str, time: DateTime<Utc>) -> Result<Vec<u8>> {
    let configuration = ConfigurationBuilder::new().with_accessibility_validator(Accessibility::UA1).finish();
    let configuration = configuration.map_err(|error| Error::broken(format!("{error:?}")))?;
    let settings = SerializeSettings { configuration, enable_tagging: true, ..SerializeSettings::default() };
    let metadata = Metadata::new()
        .title(title.to_owned())
        .creator("Coffer".to_owned())
        .language(LANGUAGE.to_owned())
        .document_id(id.to_owned())
        .creation_date(date(time));
    sheets.print(settings, metadata, title)
}

/// A time as the file keeps it, in UTC.
fn date(time: DateTime<Utc>) -> Date {
    let part = |number: u32| u8::try_from(number).unwrap_or_default();
    Date::new(u16::try_from(time.year()).unwrap_or_default())
        .month(part(time.month()))
        .day(part(time.day()))
        .hour(part(time.hour()))
        .minute(part(time.minute()))
        .second(part(time.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}
