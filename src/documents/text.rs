//! Text in one of the two cuts of Inter, shaped: which glyphs stand where.

use std::ops::Range;

use harfrust::{Direction, Feature, FontRef, ShapeOptions, ShapePlan, ShaperData, Tag, UnicodeBuffer, script};
use krilla::text::{Font, GlyphId, KrillaGlyph};

use super::Twips;
use crate::error::{Error, Result};

/// Inter 4, SIL Open Font License 1.1: see `fonts/README.md`.
const REGULAR: &[u8] = include_bytes!("fonts/Inter-Regular.ttf");
const SEMI_BOLD: &[u8] = include_bytes!("fonts/Inter-SemiBold.ttf");

/// Digits of one width, so that numbers below each other can be compared at a glance.
fn tabular() -> Feature {
    Feature::new(Tag::new(b"tnum"), 1, ..)
}

/// One cut of the font.
pub(super) struct Typeface {
    font: Font,
    reference: FontRef<'static>,
    shaper: ShaperData,
    plan: ShapePlan,
    units_per_em: i32,
}

/// Both cuts.
pub(super) struct Typefaces {
    /// For what is read.
    pub regular: Typeface,
    /// For what is looked for.
    pub semi_bold: Typeface,
}

impl Typefaces {
    /// Reads both cuts.
    ///
    /// # Errors
    /// [`Error::Broken`] where the program has been built with something that is no font.
    pub fn load() -> Result<Self> {
        Ok(Self { regular: Typeface::load(REGULAR)?, semi_bold: Typeface::load(SEMI_BOLD)? })
    }
}

/// A piece of one line, shaped.
pub(super) struct Run {
    /// What it says, every character of which the font has.
    pub text: String,
    /// What is drawn for it.
    pub glyphs: Vec<KrillaGlyph>,
    /// How wide it is, in the font's units.
    units: i32,
    units_per_em: i32,
}

impl Run {
    /// How wide it is at a size, rounded up.
    pub fn width(&self, size: Twips) -> Twips {
        width(self.units, self.units_per_em, size)
    }
}

fn width(units: i32, units_per_em: i32, size: Twips) -> Twips {
    let product = i64::from(units) * i64::from(size) + i64::from(units_per_em) - 1;
    i32::try_from(product / i64::from(units_per_em.max(1))).unwrap_or(i32::MAX)
}

impl Typeface {
    fn load(data: &'static [u8]) -> Result<Self> {
        let font = Font::new(data.into(), 0).ok_or_else(|| Error::broken("no font"))?;
        let reference = FontRef::new(data).map_err(|error| Error::broken(error.to_string()))?;
        let shaper = ShaperData::new(&reference);
        let (plan, units_per_em) = {
            let shaper = shaper.shaper(&reference).build();
            let plan = ShapePlan::new(&shaper, Direction::LeftToRight, Some(script::LATIN), None, &[tabular()]);
            (plan, shaper.units_per_em())
        };
        Ok(Self { font, reference, shaper, plan, units_per_em })
    }

    /// The font as the document takes it.
    pub fn font(&self) -> Font {
        self.font.clone()
    }

    /// Shapes a piece of one line. A character that the font lacks is told by its number, as in
    /// `[U+674E]`, so that nothing is lost and no empty box stands for it.
    pub fn shape(&self, text: &str) -> Run {
        let run = self.shape_known(text);
        let knows_all = run.glyphs.iter().all(|glyph| glyph.glyph_id.to_u32() != 0);
        if knows_all && !text.chars().any(char::is_control) { run } else { self.shape_known(&self.spelled(text)) }
    }

    /// The text with the numbers of the characters that the font lacks, neighbours in one pair of
    /// brackets.
    fn spelled(&self, text: &str) -> String {
        let mut spelled = String::new();
        let mut is_open = false;
        for character in text.chars() {
            let lacks = character.is_control() || self.lacks(character);
            if is_open && !lacks {
                spelled.push(']');
            } else if lacks {
                spelled.push(if is_open { ' ' } else { '[' });
            }
            is_open = lacks;
            match lacks {
                true => spelled.push_str(&format!("U+{:04X}", u32::from(character))),
                false => spelled.push(character),
            }
        }
        if is_open {
            spelled.push(']');
        }
        spelled
    }

    fn lacks(&self, character: char) -> bool {
        let run = self.shape_known(character.encode_utf8(&mut [0; 4]));
        run.glyphs.iter().any(|glyph| glyph.glyph_id.to_u32() == 0)
    }

    fn shape_known(&self, text: &str) -> Run {
        let shaper = self.shaper.shaper(&self.reference).build();
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.set_direction(Direction::LeftToRight);
        buffer.set_script(script::LATIN);
        let shaped = shaper.shape(buffer, ShapeOptions::new().plan(Some(&self.plan)));
        let starts: Vec<usize> = shaped.glyph_infos().iter().map(|info| info.cluster as usize).collect();
        let mut units: i32 = 0;
        let glyphs = shaped.glyph_infos().iter().zip(shaped.glyph_positions()).zip(ranges(&starts, text.len()));
        let glyphs = glyphs
            .map(|((info, position), range)| {
                units = units.saturating_add(position.x_advance);
                let [x_advance, x_offset, y_offset, y_advance] =
                    [position.x_advance, position.x_offset, position.y_offset, position.y_advance]
                        .map(|units| self.em(units));
                KrillaGlyph::new(GlyphId::new(info.glyph_id), x_advance, x_offset, y_offset, y_advance, range, None)
            })
            .collect();
        Run { text: text.to_owned(), glyphs, units, units_per_em: self.units_per_em }
    }

    /// A length in ems, as the document takes it.
    #[allow(
        clippy::float_arithmetic,
        clippy::cast_precision_loss,
        reason = "where a glyph stands on paper is no value, and both numbers are small"
    )]
    fn em(&self, units: i32) -> f32 {
        units as f32 / self.units_per_em as f32
    }

    /// Breaks a text into lines of at most `most` twips, at its blanks, and within a word where that
    /// alone is too long. Line breaks of the text stay.
    pub fn wrap(&self, text: &str, size: Twips, most: Twips) -> Vec<Run> {
        let blank = self.shape_known(" ").width(size);
        let mut lines = Vec::new();
        for paragraph in text.lines() {
            let mut line = String::new();
            let mut filled = 0;
            for word in paragraph.split_whitespace() {
                let shaped = self.shape(word);
                let is_first = line.is_empty();
                let with_word = if is_first { 0 } else { filled + blank } + shaped.width(size);
                if with_word <= most {
                    if !is_first {
                        line.push(' ');
                    }
                    line.push_str(&shaped.text);
                    filled = with_word;
                    continue;
                }
                if !is_first {
                    lines.push(std::mem::take(&mut line));
                }
                (line, filled) = self.break_word(&shaped.text, size, most, &mut lines);
            }
            lines.push(line);
        }
        lines.into_iter().filter(|line| !line.is_empty()).map(|line| self.shape(&line)).collect()
    }

    /// Cuts off of a word what fills whole lines; returns what is left, and how wide it is.
    fn break_word(&self, word: &str, size: Twips, most: Twips, lines: &mut Vec<String>) -> (String, Twips) {
        let mut line = String::new();
        let mut filled = 0;
        for character in word.chars() {
            let wide = self.shape_known(character.encode_utf8(&mut [0; 4])).width(size);
            if filled + wide > most && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                filled = 0;
            }
            line.push(character);
            filled += wide;
        }
        (line, filled)
    }
}

/// What part of the text each glyph stands for: from its cluster's start to the next one's.
fn ranges(starts: &[usize], end: usize) -> Vec<Range<usize>> {
    let next = |at: usize, start: usize| starts.iter().skip(at).copied().find(|&next| next > start);
    starts.iter().enumerate().map(|(at, &start)| start..next(at, start).unwrap_or(end)).collect()
}
