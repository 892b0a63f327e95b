//! What both painters need of plotters.

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::element::{Circle, Polygon};
use plotters::prelude::{DrawingArea, DrawingBackend};
use plotters::style::{Color, RGBAColor, ShapeStyle};

use super::scene::{Colour, Point};

/// Whether plotters could paint something.
pub type Painted<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// A sheet that is painted larger than it was laid out, because plotters knows whole pixels only.
pub struct Sheet<DB: DrawingBackend> {
    /// Where plotters paints.
    pub area: DrawingArea<DB, Shift>,
    /// How many pixels a unit of the layout has.
    pub scale: f64,
}

impl<DB: DrawingBackend> Sheet<DB> {
    /// The pixel of a point.
    pub fn pixel(&self, (x, y): Point) -> (i32, i32) {
        (self.length(x), self.length(y))
    }

    /// The pixels of points.
    pub fn pixels(&self, points: &[Point]) -> Vec<(i32, i32)> {
        points.iter().map(|point| self.pixel(*point)).collect()
    }

    /// How many pixels a length has.
    pub fn length(&self, length: f64) -> i32 {
        (length * self.scale).round() as i32
    }

    /// Paints a filled polygon.
    pub fn area(&self, points: &[Point], colour: Colour) -> Painted<DB> {
        self.area.draw(&Polygon::new(self.pixels(points), fill(colour)))
    }

    /// Paints a filled disc.
    pub fn disc(&self, at: Point, radius: f64, colour: Colour) -> Painted<DB> {
        self.area
            .draw(&Circle::new(self.pixel(at), self.length(radius), fill(colour)))
    }
}

/// A colour as plotters has it.
pub fn rgba(colour: Colour) -> RGBAColor {
    let (red, green, blue) = colour.rgb;
    RGBAColor(red, green, blue, colour.alpha)
}

fn fill(colour: Colour) -> ShapeStyle {
    rgba(colour).filled()
}
