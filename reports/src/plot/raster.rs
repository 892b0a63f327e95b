//! A scene as PNG.
//!
//! plotters paints shapes without smooth edges, so the sheet is painted larger and every square of
//! [`SAMPLES`] by [`SAMPLES`] pixels becomes one. Texts are painted here: plotters sets each glyph to a whole pixel
//! and without the space to its left.

use plotters::backend::BitMapBackend;
use plotters::coord::Shift;
use plotters::element::{Circle, Polygon};
use plotters::prelude::{DrawingArea, DrawingBackend, IntoDrawingArea};
use plotters::style::{Color, RGBAColor, ShapeStyle};

use super::scene::{Anchor, Colour, HEIGHT, Mark, Point, Scene, Text, WIDTH};
use super::text;

/// Pixels of the image for one of the sheet: sharp on dense screens too.
const DENSITY: usize = 2;
/// Painted pixels for one of the image, each way.
const SAMPLES: usize = 2;
const SCALE: f64 = (DENSITY * SAMPLES) as f64;

/// The scene as the bytes of a PNG file.
pub fn draw(scene: &Scene) -> Result<Vec<u8>, String> {
    let (width, height) = ((WIDTH * SCALE) as usize, (HEIGHT * SCALE) as usize);
    let mut pixels = vec![0; width * height * 3];
    {
        let sheet = BitMapBackend::with_buffer(&mut pixels, (width as u32, height as u32)).into_drawing_area();
        sheet.fill(&plotters::style::WHITE).map_err(|error| error.to_string())?;
        for mark in &scene.marks {
            paint(&sheet, mark).map_err(|error| error.to_string())?;
        }
        sheet.present().map_err(|error| error.to_string())?;
    }
    encode(&reduce(&pixels, width), width / SAMPLES, height / SAMPLES).map_err(|error| error.to_string())
}

type Painted<DB> = Result<(), plotters::drawing::DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

fn paint<DB: DrawingBackend>(sheet: &DrawingArea<DB, Shift>, mark: &Mark) -> Painted<DB> {
    match mark {
        Mark::Line { points, colour, width } => paint_line(sheet, points, *colour, *width),
        Mark::Area { points, colour } => sheet.draw(&Polygon::new(
            points.iter().copied().map(pixel).collect::<Vec<_>>(),
            fill(*colour),
        )),
        Mark::Disc { at, radius, colour } => {
            sheet.draw(&Circle::new(pixel(*at), (radius * SCALE).round() as i32, fill(*colour)))
        }
        Mark::Text(text) => paint_text(sheet, text),
    }
}

/// Each segment by itself, with a disc at each bend: the outline that plotters makes of a whole line has spikes where
/// segments are shorter than the line is wide. The line is opaque, so painting a pixel twice does not show.
fn paint_line<DB: DrawingBackend>(
    sheet: &DrawingArea<DB, Shift>,
    points: &[Point],
    colour: Colour,
    width: f64,
) -> Painted<DB> {
    let half = width / 2.0;
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let (dx, dy) = (x1 - x0, y1 - y0);
        let length = (dx * dx + dy * dy).sqrt();
        if length == 0.0 {
            continue;
        }
        let (nx, ny) = (-dy / length * half, dx / length * half);
        let corners = [
            (x0 + nx, y0 + ny),
            (x1 + nx, y1 + ny),
            (x1 - nx, y1 - ny),
            (x0 - nx, y0 - ny),
        ];
        sheet.draw(&Polygon::new(corners.map(pixel), fill(colour)))?;
    }
    for bend in points.iter().skip(1).take(points.len() - 2) {
        sheet.draw(&Circle::new(pixel(*bend), (half * SCALE).round() as i32, fill(colour)))?;
    }
    Ok(())
}

fn paint_text<DB: DrawingBackend>(sheet: &DrawingArea<DB, Shift>, text: &Text) -> Painted<DB> {
    let left = match text.anchor {
        Anchor::Start => text.at.0,
        Anchor::Middle => text.at.0 - text.width() / 2.0,
        Anchor::End => text.at.0 - text.width(),
    };
    let colour = rgba(text.colour);
    let mut result = Ok(());
    text::pixels(
        &text.text,
        text.size * SCALE,
        text.bold,
        (left * SCALE, text.at.1 * SCALE),
        |x, y, coverage| {
            if coverage > 0.0 && result.is_ok() {
                result = sheet.draw_pixel((x, y), &colour.mix(coverage));
            }
        },
    );
    result
}

fn pixel((x, y): Point) -> (i32, i32) {
    ((x * SCALE).round() as i32, (y * SCALE).round() as i32)
}

fn rgba(colour: Colour) -> RGBAColor {
    let (red, green, blue) = colour.rgb;
    RGBAColor(red, green, blue, colour.alpha)
}

fn fill(colour: Colour) -> ShapeStyle {
    rgba(colour).filled()
}

/// The mean of every square of [`SAMPLES`] by [`SAMPLES`] pixels.
fn reduce(pixels: &[u8], width: usize) -> Vec<u8> {
    let small = width / SAMPLES;
    let mut reduced = Vec::with_capacity(pixels.len() / (SAMPLES * SAMPLES));
    let mut sums = vec![0u16; small * 3];
    for rows in pixels.chunks_exact(width * 3 * SAMPLES) {
        sums.fill(0);
        for row in rows.chunks_exact(width * 3) {
            for (square, sum) in row.chunks_exact(3 * SAMPLES).zip(sums.chunks_exact_mut(3)) {
                for pixel in square.chunks_exact(3) {
                    sum.iter_mut()
                        .zip(pixel)
                        .for_each(|(sum, part)| *sum += u16::from(*part));
                }
            }
        }
        reduced.extend(sums.iter().map(|sum| (sum / (SAMPLES * SAMPLES) as u16) as u8));
    }
    reduced
}

fn encode(pixels: &[u8], width: usize, height: usize) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Best);
    encoder.set_filter(png::FilterType::Up);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}
