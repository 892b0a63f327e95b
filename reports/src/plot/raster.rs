//! A scene as PNG.
//!
//! plotters paints shapes without smooth edges, so the sheet is painted larger and every square of
//! [`SAMPLES`] by [`SAMPLES`] pixels becomes one. Texts are painted here: plotters sets each glyph to a whole pixel
//! and without the space to its left.

use plotters::backend::BitMapBackend;
use plotters::prelude::{DrawingBackend, IntoDrawingArea};
use plotters::style::Color;

use super::paint::{Painted, Sheet, rgba};
use super::scene::{Colour, HEIGHT, Mark, Point, Scene, Text, WIDTH};
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
        let backend = BitMapBackend::with_buffer(&mut pixels, (width as u32, height as u32));
        let sheet = Sheet {
            area: backend.into_drawing_area(),
            scale: SCALE,
        };
        sheet
            .area
            .fill(&plotters::style::WHITE)
            .map_err(|error| error.to_string())?;
        for mark in &scene.marks {
            paint(&sheet, mark).map_err(|error| error.to_string())?;
        }
        sheet.area.present().map_err(|error| error.to_string())?;
    }
    encode(&reduce(&pixels, width), width / SAMPLES, height / SAMPLES).map_err(|error| error.to_string())
}

fn paint<DB: DrawingBackend>(sheet: &Sheet<DB>, mark: &Mark) -> Painted<DB> {
    match mark {
        Mark::Line { points, colour, width } => paint_line(sheet, points, *colour, *width),
        Mark::Area { points, colour } => sheet.area(points, *colour),
        Mark::Disc { at, radius, colour } => sheet.disc(*at, *radius, *colour),
        Mark::Text(text) => paint_text(sheet, text),
    }
}

/// Each segment by itself, with a disc at each bend: the outline that plotters makes of a whole line has spikes where
/// segments are shorter than the line is wide. The line is opaque, so painting a pixel twice does not show.
fn paint_line<DB: DrawingBackend>(sheet: &Sheet<DB>, points: &[Point], colour: Colour, width: f64) -> Painted<DB> {
    let half = width / 2.0;
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let (dx, dy) = (x1 - x0, y1 - y0);
        let length = (dx * dx + dy * dy).sqrt();
        if length > 0.0 {
            let (nx, ny) = (-dy / length * half, dx / length * half);
            sheet.area(
                &[
                    (x0 + nx, y0 + ny),
                    (x1 + nx, y1 + ny),
                    (x1 - nx, y1 - ny),
                    (x0 - nx, y0 - ny),
                ],
                colour,
            )?;
        }
    }
    let bends = points.get(1..points.len() - 1).unwrap_or_default();
    bends.iter().try_for_each(|bend| sheet.disc(*bend, half, colour))
}

fn paint_text<DB: DrawingBackend>(sheet: &Sheet<DB>, text: &Text) -> Painted<DB> {
    let colour = rgba(text.colour);
    let at = (text.left() * SCALE, text.at.1 * SCALE);
    let mut result = Ok(());
    text::pixels(&text.text, text.size * SCALE, text.bold, at, |x, y, coverage| {
        if coverage > 0.0 && result.is_ok() {
            result = sheet.area.draw_pixel((x, y), &colour.mix(coverage));
        }
    });
    result
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
    encoder.set_compression(png::Compression::Default);
    encoder.set_adaptive_filter(png::AdaptiveFilterType::Adaptive);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}
