//! Sheets of paper: what stands where on which page, and in which order it is read.

use std::num::NonZeroU16;

use krilla::Document;
use krilla::SerializeSettings;
use krilla::action::{Action, LinkAction};
use krilla::annotation::{Annotation, LinkAnnotation, Target};
use krilla::color::rgb;
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::{Page, PageSettings};
use krilla::paint::{Fill, FillRule};
use krilla::surface::Surface;
use krilla::tagging::{Artifact, ArtifactType, ContentTag, Identifier, Tag, TagGroup, TagKind, TagTree};

use super::text::{Run, Typeface, Typefaces};
use super::{Colour, Twips};
use crate::error::{Error, Result};

/// A4.
pub(super) const WIDTH: Twips = 11_906;
/// A4.
pub(super) const HEIGHT: Twips = 16_838;

/// How a piece of text looks.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// Its size.
    pub size: Twips,
    /// Whether it is looked for rather than read.
    pub bold: bool,
    /// Its colour.
    pub colour: Colour,
}

/// A place on a page, from its upper left corner; of text the start of its base line.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    /// The page, from 0.
    pub page: usize,
    /// From the left.
    pub x: Twips,
    /// From above.
    pub y: Twips,
}

/// On which side of its spot a text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It begins there.
    Right,
    /// It ends there.
    Left,
}

/// Something that is drawn.
enum Shape {
    Text(Run, Style),
    Box { width: Twips, height: Twips, colour: Colour },
    Mark { size: Twips },
}

struct Piece {
    spot: Spot,
    shape: Shape,
    /// Its number in the order of reading; none where it only decorates.
    leaf: Option<usize>,
}

/// A part of what is read, for screen readers and for whoever copies text.
pub(super) struct Branch {
    tag: TagKind,
    branches: Vec<Self>,
    leaves: Vec<usize>,
    link: Option<usize>,
}

impl Branch {
    /// A part that consists of pieces.
    pub fn of(tag: impl Into<TagKind>, leaves: Vec<usize>) -> Self {
        Self { tag: tag.into(), branches: Vec::new(), leaves, link: None }
    }

    /// A part that consists of parts.
    pub fn around(tag: impl Into<TagKind>, branches: Vec<Self>) -> Self {
        Self { tag: tag.into(), branches, leaves: Vec::new(), link: None }
    }

    /// A heading.
    pub fn heading(level: u16, title: &str, leaves: Vec<usize>) -> Self {
        Self::of(Tag::Hn(NonZeroU16::new(level).unwrap_or(NonZeroU16::MIN), Some(title.to_owned())), leaves)
    }
}

struct Link {
    page: usize,
    corners: [Twips; 4],
    address: String,
}

/// The sheets of one document.
pub(super) struct Sheets {
    /// The font.
    pub faces: Typefaces,
    pieces: Vec<Piece>,
    leaves: usize,
    branches: Vec<Branch>,
    links: Vec<Link>,
    pages: usize,
}

impl Sheets {
    /// One empty sheet.
    ///
    /// # Errors
    /// [`Error::Broken`] where there is no font.
    pub fn new() -> Result<Self> {
        let faces = Typefaces::load()?;
        Ok(Self { faces, pieces: Vec::new(), leaves: 0, branches: Vec::new(), links: Vec::new(), pages: 1 })
    }

    /// One more sheet; returns its number.
    pub fn turn(&mut self) -> usize {
        self.pages += 1;
        self.pages - 1
    }

    /// How many sheets there are.
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// The cut of a style.
    pub fn face(&self, style: Style) -> &Typeface {
        if style.bold { &self.faces.semi_bold } else { &self.faces.regular }
    }

    /// The style at the largest size, from its own down, at which all texts are at most so wide.
    pub fn fitting(&self, texts: &[String], width: Twips, style: Style) -> Style {
        let runs: Vec<Run> = texts.iter().map(|text| self.face(style).shape(text)).collect();
        let fits = |size: &Twips| runs.iter().all(|run| run.width(*size) <= width);
        let size = (80..=style.size).rev().step_by(5).find(fits).unwrap_or(80);
        Style { size, ..style }
    }

    /// What of a text fits into one line.
    pub fn first_line(&self, text: &str, width: Twips, style: Style) -> Run {
        let face = self.face(style);
        face.wrap(text, style.size, width).into_iter().next().unwrap_or_else(|| face.shape(""))
    }

    /// Puts a shaped text somewhere; returns its number in the order of reading.
    pub fn put(&mut self, spot: Spot, side: Side, run: Run, style: Style) -> usize {
        let leaf = self.leaves;
        self.leaves += 1;
        self.draw(spot, side, run, style, Some(leaf));
        leaf
    }

    /// Puts a text somewhere; returns its number in the order of reading.
    pub fn write(&mut self, spot: Spot, side: Side, text: &str, style: Style) -> usize {
        let run = self.face(style).shape(text);
        self.put(spot, side, run, style)
    }

    /// Puts a text somewhere that is on every page, and so is not read again and again.
    pub fn repeat(&mut self, spot: Spot, side: Side, text: &str, style: Style) {
        let run = self.face(style).shape(text);
        self.draw(spot, side, run, style, None);
    }

    fn draw(&mut self, spot: Spot, side: Side, run: Run, style: Style, leaf: Option<usize>) {
        let x = match side {
            Side::Right => spot.x,
            Side::Left => spot.x - run.width(style.size),
        };
        self.pieces.push(Piece { spot: Spot { x, ..spot }, shape: Shape::Text(run, style), leaf });
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, spot: Spot, width: Twips, height: Twips, colour: Colour) {
        self.pieces.push(Piece { spot, shape: Shape::Box { width, height, colour }, leaf: None });
    }

    /// Draws Coffer's mark.
    pub fn mark(&mut self, spot: Spot, size: Twips) {
        self.pieces.push(Piece { spot, shape: Shape::Mark { size }, leaf: None });
    }

    /// Adds what is read next.
    pub fn read(&mut self, branch: Branch) {
        self.branches.push(branch);
    }

    /// A paragraph that leads somewhere from the box between `from` and `to` on one page.
    pub fn link(&mut self, from: Spot, to: Spot, address: &str, leaves: Vec<usize>) -> Branch {
        self.links.push(Link { page: from.page, corners: [from.x, from.y, to.x, to.y], address: address.to_owned() });
        let link = Branch { link: Some(self.links.len() - 1), ..Branch::of(Tag::Link, leaves) };
        Branch::around(Tag::P, vec![link])
    }

    /// Draws everything.
    ///
    /// # Errors
    /// [`Error::Broken`] where the document would not be one that everybody can read.
    pub fn print(self, settings: SerializeSettings, metadata: Metadata, title: &str) -> Result<Vec<u8>> {
        let mut document = Document::new_with(settings);
        document.set_metadata(metadata);
        let mut outline = Outline::new();
        outline.push_child(OutlineNode::new(title.to_owned(), XyzDestination::new(0, Point::from_xy(0.0, 0.0))));
        let mut identifiers: Vec<Option<Identifier>> = (0..self.leaves).map(|_| None).collect();
        let mut links: Vec<Option<Identifier>> = self.links.iter().map(|_| None).collect();
        let mut by_page: Vec<Vec<&Piece>> = (0..self.pages).map(|_| Vec::new()).collect();
        for piece in &self.pieces {
            by_page.get_mut(piece.spot.page).ok_or_else(|| Error::broken("no such page"))?.push(piece);
        }
        for (number, pieces) in by_page.into_iter().enumerate() {
            let settings = PageSettings::from_wh(points(WIDTH), points(HEIGHT));
            let mut page = document.start_page_with(settings.ok_or_else(|| Error::broken("no paper"))?);
            let mut surface = page.surface();
            for piece in pieces {
                let identifier = paint(&mut surface, piece, &self.faces)?;
                if let Some(place) = piece.leaf.and_then(|leaf| identifiers.get_mut(leaf)) {
                    *place = Some(identifier);
                }
            }
            surface.finish();
            for (link, place) in self.links.iter().zip(&mut links).filter(|(link, _)| link.page == number) {
                *place = Some(annotate(&mut page, link)?);
            }
            page.finish();
        }
        let mut tree = TagTree::new().with_lang(Some(super::LANGUAGE.to_owned()));
        for branch in self.branches {
            tree.push(group(branch, &mut identifiers, &mut links));
        }
        document.set_tag_tree(tree);
        document.set_outline(outline);
        document.finish().map_err(|error| Error::broken(format!("{error:?}")))
    }
}

fn paint(surface: &mut Surface<'_>, piece: &Piece, faces: &Typefaces) -> Result<Identifier> {
    let tag = match piece.leaf {
        Some(_) => ContentTag::Other,
        None => ContentTag::Artifact(Artifact::with_kind(ArtifactType::PaginationOther)),
    };
    let identifier = surface.start_tagged(tag);
    let (x, y) = (points(piece.spot.x), points(piece.spot.y));
    match &piece.shape {
        Shape::Text(run, style) => {
            surface.set_fill(Some(fill(style.colour)));
            let font = if style.bold { faces.semi_bold.font() } else { faces.regular.font() };
            surface.draw_glyphs(Point::from_xy(x, y), &run.glyphs, font, &run.text, points(style.size), false);
        }
        Shape::Box { width, height, colour } => {
            surface.set_fill(Some(fill(*colour)));
            let mut path = PathBuilder::new();
            path.push_rect(rectangle(piece.spot.x, piece.spot.y, piece.spot.x + width, piece.spot.y + height)?);
            surface.draw_path(&path.finish().ok_or_else(|| Error::broken("no rectangle"))?);
        }
        Shape::Mark { size } => super::mark::draw(surface, (x, y), points(*size))?,
    }
    surface.end_tagged();
    Ok(identifier)
}

fn annotate(page: &mut Page<'_>, link: &Link) -> Result<Identifier> {
    let [left, top, right, bottom] = link.corners;
    let target = Target::Action(Action::Link(LinkAction::new(link.address.clone())));
    let annotation = LinkAnnotation::new(rectangle(left, top, right, bottom)?, target);
    Ok(page.add_tagged_annotation(Annotation::new_link(annotation, Some(link.address.clone()))))
}

fn group(branch: Branch, identifiers: &mut [Option<Identifier>], links: &mut [Option<Identifier>]) -> TagGroup {
    let mut group = TagGroup::new(branch.tag);
    for leaf in branch.leaves {
        if let Some(identifier) = identifiers.get_mut(leaf).and_then(Option::take) {
            group.push(identifier);
        }
    }
    if let Some(identifier) = branch.link.and_then(|link| links.get_mut(link)).and_then(Option::take) {
        group.push(identifier);
    }
    for inner in branch.branches {
        group.push(self::group(inner, identifiers, links));
    }
    group
}

/// What fills shapes with a colour.
pub(super) fn fill(colour: Colour) -> Fill {
    let (red, green, blue) = colour;
    Fill { paint: rgb::Color::new(red, green, blue).into(), rule: FillRule::EvenOdd, ..Fill::default() }
}

fn rectangle(left: Twips, top: Twips, right: Twips, bottom: Twips) -> Result<Rect> {
    let rectangle = Rect::from_ltrb(points(left), points(top), points(right), points(bottom));
    rectangle.ok_or_else(|| Error::broken("no rectangle"))
}

/// A length as the document takes it.
#[allow(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "where something stands on paper is no value, and no paper has 2^24 twips"
)]
fn points(twips: Twips) -> f32 {
    twips as f32 / 20.0
}
