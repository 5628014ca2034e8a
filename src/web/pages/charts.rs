//! Charts as SVG of a fixed size, in whole units: the browser scales them, they print, follow the
//! theme, and need no script.

use chrono::NaiveDate;

use crate::domain::Balance;
use crate::web::view::grouped;

/// The width of the picture, and the part of its height of 170 that holds the bars or the line.
const WIDTH: i64 = 600;
const TOP: i64 = 28;
const BOTTOM: i64 = 138;

/// A number for each of some days.
pub struct Chart {
    /// The days, as bars.
    pub bars: Vec<Bar>,
    /// The same as the points of a line.
    pub line: String,
    /// What its height stands for.
    pub top: String,
    /// The first and the last day.
    pub ends: (String, String),
    /// All of it as a table has it.
    pub rows: Vec<(String, String)>,
}

/// One day.
pub struct Bar {
    /// The left edge.
    pub x: i64,
    /// The upper edge.
    pub y: i64,
    /// The width.
    pub width: i64,
    /// The height, at least one for what is not nothing.
    pub height: i64,
    /// Day and number in words.
    pub title: String,
}

/// A chart of what happened on each day, in their order. The numbers have `scale` decimals and are
/// not negative.
pub fn chart(days: &[(NaiveDate, Balance)], scale: u8) -> Chart {
    let largest = days.iter().map(|(_, value)| value).max().cloned().unwrap_or_else(Balance::zero);
    let whole = round_above(&largest);
    let count = i64::try_from(days.len()).unwrap_or(1).max(1);
    let step = WIDTH / count;
    let height = |value: &Balance| match value.parts_of(&whole, BOTTOM - TOP) {
        0 if *value != Balance::zero() => 1,
        height => height,
    };
    let mut bars = Vec::with_capacity(days.len());
    let mut line = Vec::with_capacity(days.len());
    let mut rows = Vec::with_capacity(days.len());
    for ((day, value), place) in days.iter().zip(0_i64..) {
        let (x, height, text) = (place * step, height(value), grouped(&value.at_scale(scale)));
        let day = day.format("%-d %b %Y").to_string();
        bars.push(Bar { x, y: BOTTOM - height, width: (step - 3).max(1), height, title: format!("{day}: {text}") });
        line.push(format!("{},{}", x + step / 2, BOTTOM - height));
        rows.push((day, text));
    }
    let end = |row: Option<&(String, String)>| row.map(|(day, _)| day.clone()).unwrap_or_default();
    Chart { bars, line: line.join(" "), top: short(&whole), ends: (end(rows.first()), end(rows.last())), rows }
}

/// A chart of how a balance went, by what it was at some moments, in their order and at equal
/// distances. The numbers have `scale` decimals and are not negative.
pub fn curve(moments: &[(String, Balance)], scale: u8) -> Chart {
    let largest = moments.iter().map(|(_, value)| value).max().cloned().unwrap_or_else(Balance::zero);
    let whole = round_above(&largest);
    let last = i64::try_from(moments.len()).unwrap_or(1).saturating_sub(1).max(1);
    let point = |value: &Balance, place: i64| {
        format!("{},{}", place * WIDTH / last, BOTTOM - value.parts_of(&whole, BOTTOM - TOP))
    };
    let line: Vec<_> = moments.iter().zip(0_i64..).map(|((_, value), place)| point(value, place)).collect();
    let rows: Vec<_> = moments.iter().map(|(name, value)| (name.clone(), grouped(&value.at_scale(scale)))).collect();
    let end = |row: Option<&(String, String)>| row.map(|(name, _)| name.clone()).unwrap_or_default();
    Chart {
        bars: Vec::new(),
        line: line.join(" "),
        top: short(&whole),
        ends: (end(rows.first()), end(rows.last())),
        rows,
    }
}

/// The least of 1, 2, 5, 10, 20, 50 … that is not below.
fn round_above(value: &Balance) -> Balance {
    let mut round = 1_i64;
    for factor in [2, 5, 10].into_iter().cycle().zip(0..54).map(|(factor, _)| factor) {
        if Balance::whole(round) >= *value {
            break;
        }
        round = match factor {
            5 => round / 2 * 5,
            _ => round * 2,
        };
    }
    Balance::whole(round)
}

/// A round number in few characters: 500, 2k, 10M, 5G.
fn short(round: &Balance) -> String {
    let digits = round.at_scale(0);
    [("000000000000", "T"), ("000000000", "G"), ("000000", "M"), ("000", "k")]
        .iter()
        .find_map(|(zeros, unit)| {
            Some(format!("{}{unit}", digits.strip_suffix(zeros).filter(|rest| !rest.is_empty())?))
        })
        .unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number() {
        for (value, round, words) in [
            (0, 1, "1"),
            (1, 1, "1"),
            (2, 2, "2"),
            (3, 5, "5"),
            (6, 10, "10"),
            (11, 20, "20"),
            (499, 500, "500"),
            (501, 1_000, "1k"),
            (1_200_000, 2_000_000, "2M"),
            (999_999_999_999_999, 1_000_000_000_000_000, "1000T"),
        ] {
            let found = round_above(&Balance::whole(value));
            assert_eq!((&found, short(&found).as_str()), (&Balance::whole(round), words), "{value}");
        }
    }

    #[test]
    fn a_curve_goes_from_edge_to_edge() {
        let moments: Vec<_> = [0, 5, 10].map(|number| (number.to_string(), Balance::whole(number))).into();
        let chart = curve(&moments, 0);
        assert_eq!(chart.line, format!("0,{BOTTOM} 300,{} 600,{TOP}", BOTTOM - (BOTTOM - TOP) / 2));
        assert_eq!(chart.ends, ("0".to_owned(), "10".to_owned()));
        assert_eq!(curve(&[("0".to_owned(), Balance::zero())], 0).line, format!("0,{BOTTOM}"));
        assert_eq!(curve(&[], 0).line, "");
    }

    #[test]
    fn bars_stand_on_the_ground_and_the_largest_is_not_cut_off() {
        let day = |number| NaiveDate::from_yo_opt(2026, number).unwrap_or_default();
        let days: Vec<_> = (1..=30).map(|number| (day(number), Balance::whole(i64::from(number) - 1))).collect();
        let chart = chart(&days, 0);
        assert!(
            chart.bars.iter().all(|bar| bar.y + bar.height == BOTTOM && bar.y >= TOP && bar.x + bar.width <= WIDTH)
        );
        assert_eq!(chart.bars.first().map(|bar| bar.height), Some(0));
        assert!(chart.bars.get(1).is_some_and(|bar| bar.height > 0));
        assert_eq!(chart.ends, ("1 Jan 2026".to_owned(), "30 Jan 2026".to_owned()));
    }
}
