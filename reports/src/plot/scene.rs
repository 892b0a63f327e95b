//! A plot before it is a file: marks on a white sheet, in the order in which they are painted.
//!
//! Layout decides here, in plain numbers that tests can look at; [`super::svg`] and [`super::raster`] only paint.
//! Units are pixels of a sheet that is [`WIDTH`] by [`HEIGHT`], from the upper left corner.

use super::text;

/// The sheet's width.
pub const WIDTH: f64 = 1200.0;
/// The sheet's height.
pub const HEIGHT: f64 = 675.0;

/// A point on the sheet.
pub type Point = (f64, f64);

/// A colour, with how much of what lies below it covers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Colour {
    /// Red, green, blue.
    pub rgb: (u8, u8, u8),
    /// From 0, invisible, to 1.
    pub alpha: f64,
}

impl Colour {
    /// An opaque colour, from `0xRRGGBB`.
    pub const fn hex(hex: u32) -> Colour {
        Colour {
            rgb: ((hex >> 16) as u8, (hex >> 8) as u8, hex as u8),
            alpha: 1.0,
        }
    }

    /// The same, letting through what lies below.
    pub const fn alpha(self, alpha: f64) -> Colour {
        Colour { alpha, ..self }
    }
}

/// Which end of a text its position names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Anchor {
    /// Its left end.
    Start,
    /// Its middle.
    Middle,
    /// Its right end.
    End,
}

/// A line of text.
#[derive(Clone, PartialEq, Debug)]
pub struct Text {
    /// Where its anchor stands, on the baseline.
    pub at: Point,
    /// What its position names.
    pub anchor: Anchor,
    /// The size of an em.
    pub size: f64,
    /// Semi-bold instead of regular.
    pub bold: bool,
    /// Its colour.
    pub colour: Colour,
    /// What it says.
    pub text: String,
}

impl Text {
    /// A regular text that begins at `at`.
    pub fn new(at: Point, size: f64, colour: Colour, text: impl Into<String>) -> Text {
        Text {
            at,
            anchor: Anchor::Start,
            size,
            bold: false,
            colour,
            text: text.into(),
        }
    }

    /// The same in semi-bold.
    pub fn bold(self) -> Text {
        Text { bold: true, ..self }
    }

    /// The same with another end at its position.
    pub fn anchored(self, anchor: Anchor) -> Text {
        Text { anchor, ..self }
    }

    /// Where it begins.
    pub fn left(&self) -> f64 {
        match self.anchor {
            Anchor::Start => self.at.0,
            Anchor::Middle => self.at.0 - self.width() / 2.0,
            Anchor::End => self.at.0 - self.width(),
        }
    }

    /// Its width.
    pub fn width(&self) -> f64 {
        text::width(&self.text, self.size, self.bold)
    }
}

/// One thing that is painted.
#[derive(Clone, PartialEq, Debug)]
pub enum Mark {
    /// A line through these points.
    Line {
        /// At least two.
        points: Vec<Point>,
        /// Its colour; opaque.
        colour: Colour,
        /// Its width.
        width: f64,
    },
    /// A filled polygon.
    Area {
        /// At least three.
        points: Vec<Point>,
        /// Its colour.
        colour: Colour,
    },
    /// A filled disc.
    Disc {
        /// Its centre.
        at: Point,
        /// Its radius.
        radius: f64,
        /// Its colour.
        colour: Colour,
    },
    /// A line of text.
    Text(Text),
}

/// All marks of one plot.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Scene {
    /// What the plot is called where it cannot be seen.
    pub title: String,
    /// Painted one over the other, the first one first.
    pub marks: Vec<Mark>,
}

impl Scene {
    /// Adds a line; one of less than two points is nothing.
    pub fn line(&mut self, points: Vec<Point>, colour: Colour, width: f64) {
        if points.len() > 1 {
            self.marks.push(Mark::Line { points, colour, width });
        }
    }

    /// Adds a dashed line from one point to another.
    pub fn dashes(&mut self, from: Point, to: Point, colour: Colour, width: f64) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = (dx * dx + dy * dy).sqrt();
        let count = (length / 9.0).floor() as usize;
        let along = |distance: f64| {
            let part = (distance / length).min(1.0);
            (from.0 + dx * part, from.1 + dy * part)
        };
        for dash in 0..=count {
            let begin = dash as f64 * 9.0;
            self.line(vec![along(begin), along(begin + 5.0)], colour, width);
        }
    }

    /// Adds a filled rectangle between two corners.
    pub fn rect(&mut self, (x0, y0): Point, (x1, y1): Point, colour: Colour) {
        self.marks.push(Mark::Area {
            points: vec![(x0, y0), (x1, y0), (x1, y1), (x0, y1)],
            colour,
        });
    }

    /// Adds a text.
    pub fn text(&mut self, text: Text) {
        self.marks.push(Mark::Text(text));
    }

    /// The texts, as painted.
    #[cfg(test)]
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        self.marks.iter().filter_map(|mark| match mark {
            Mark::Text(text) => Some(text),
            _ => None,
        })
    }
}
