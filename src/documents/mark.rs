//! Coffer's mark, as `static/img/logo.svg` has it.

use krilla::geom::{PathBuilder, Transform};
use krilla::surface::Surface;

use super::colours;
use super::sheet::fill;
use crate::error::{Error, Result};

/// How far the handles of a quarter of a circle of radius 1 are from its ends.
const ROUND: f32 = 0.5523;

/// The size of the drawing.
const SIZE: f32 = 32.0;

/// Draws the mark with its upper left corner at a place, both in points.
///
/// # Errors
/// [`Error::Broken`] where it has no outline.
#[allow(clippy::float_arithmetic, reason = "what is drawn is no value")]
pub(super) fn draw(surface: &mut Surface<'_>, (x, y): (f32, f32), size: f32) -> Result<()> {
    let scale = size / SIZE;
    let mut path = PathBuilder::new();
    lid(&mut path);
    chest(&mut path);
    lock(&mut path);
    let path = path.finish().ok_or_else(|| Error::broken("no mark"))?;
    surface.push_transform(&Transform::from_row(scale, 0.0, 0.0, scale, x, y));
    surface.set_fill(Some(fill(colours::ACCENT)));
    surface.draw_path(&path);
    surface.pop();
    Ok(())
}

fn lid(path: &mut PathBuilder) {
    path.move_to(9.0, 4.0);
    path.line_to(23.0, 4.0);
    quarter(path, (23.0, 4.0), (30.0, 11.0), true);
    path.line_to(30.0, 13.5);
    path.line_to(19.9, 13.5);
    path.cubic_to(19.4, 11.8, 17.8, 10.6, 16.0, 10.6);
    path.cubic_to(14.2, 10.6, 12.6, 11.8, 12.1, 13.5);
    path.line_to(2.0, 13.5);
    path.line_to(2.0, 11.0);
    quarter(path, (2.0, 11.0), (9.0, 4.0), false);
    path.close();
}

fn chest(path: &mut PathBuilder) {
    path.move_to(2.0, 16.0);
    path.line_to(12.1, 16.0);
    path.cubic_to(12.6, 17.7, 14.2, 18.9, 16.0, 18.9);
    path.cubic_to(17.8, 18.9, 19.4, 17.7, 19.9, 16.0);
    path.line_to(30.0, 16.0);
    path.line_to(30.0, 24.0);
    quarter(path, (30.0, 24.0), (26.0, 28.0), false);
    path.line_to(6.0, 28.0);
    quarter(path, (6.0, 28.0), (2.0, 24.0), true);
    path.close();
}

fn lock(path: &mut PathBuilder) {
    path.move_to(16.0, 12.9);
    quarter(path, (16.0, 12.9), (17.9, 14.8), true);
    quarter(path, (17.9, 14.8), (16.0, 16.7), false);
    quarter(path, (16.0, 16.7), (14.1, 14.8), true);
    quarter(path, (14.1, 14.8), (16.0, 12.9), false);
    path.close();
}

/// A quarter of a circle that begins level, or upright.
#[allow(clippy::float_arithmetic, reason = "what is drawn is no value")]
fn quarter(path: &mut PathBuilder, (x0, y0): (f32, f32), (x1, y1): (f32, f32), is_level: bool) {
    let (across, down) = ((x1 - x0) * ROUND, (y1 - y0) * ROUND);
    match is_level {
        true => path.cubic_to(x0 + across, y0, x1, y1 - down, x1, y1),
        false => path.cubic_to(x0, y0 + down, x1 - across, y1, x1, y1),
    }
}
