//! A scene as SVG.

use plotters::backend::SVGBackend;
use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon};
use plotters::prelude::{DrawingArea, DrawingBackend, IntoDrawingArea, IntoFont};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, RGBAColor, ShapeStyle, TextStyle};

use super::scene::{Anchor, Colour, HEIGHT, Mark, Point, Scene, Text, WIDTH};
use super::text;

/// plotters knows whole pixels only. Painted this much larger, a line's points are exact to a tenth of a pixel.
const SCALE: f64 = 10.0;

/// The scene as an SVG document that needs nothing outside itself. Equal scenes give equal text.
pub fn draw(scene: &Scene) -> Result<String, String> {
    let mut body = String::new();
    let size = ((WIDTH * SCALE) as u32, (HEIGHT * SCALE) as u32);
    {
        let sheet = SVGBackend::with_string(&mut body, size).into_drawing_area();
        sheet.fill(&plotters::style::WHITE).map_err(|error| error.to_string())?;
        for mark in &scene.marks {
            paint(&sheet, mark).map_err(|error| error.to_string())?;
        }
        sheet.present().map_err(|error| error.to_string())?;
    }
    Ok(head(&body, &scene.title))
}

type Painted<DB> = Result<(), plotters::drawing::DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

fn paint<DB: DrawingBackend>(sheet: &DrawingArea<DB, Shift>, mark: &Mark) -> Painted<DB> {
    match mark {
        Mark::Line { points, colour, width } => sheet.draw(&PathElement::new(scaled(points), stroke(*colour, *width))),
        Mark::Area { points, colour } => sheet.draw(&Polygon::new(scaled(points), fill(*colour))),
        Mark::Disc { at, radius, colour } => {
            sheet.draw(&Circle::new(pixel(*at), (radius * SCALE).round() as i32, fill(*colour)))
        }
        Mark::Text(text) => paint_text(sheet, text),
    }
}

fn paint_text<DB: DrawingBackend>(sheet: &DrawingArea<DB, Shift>, text: &Text) -> Painted<DB> {
    let horizontal = match text.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    // plotters writes sizes divided by 1.24, and texts at 0.76 em below their top.
    let size = text.size * SCALE;
    let style = if text.bold { FontStyle::Bold } else { FontStyle::Normal };
    let font = (text::FAMILIES, size * 1.24).into_font().style(style);
    let colour = rgba(text.colour);
    let style = TextStyle::from(font)
        .color(&colour)
        .pos(Pos::new(horizontal, VPos::Top));
    let (x, baseline) = pixel(text.at);
    let top = baseline - (size * 0.76).round() as i32;
    sheet.draw(&plotters::element::Text::new(text.text.as_str(), (x, top), style))
}

fn pixel((x, y): Point) -> (i32, i32) {
    ((x * SCALE).round() as i32, (y * SCALE).round() as i32)
}

fn scaled(points: &[Point]) -> Vec<(i32, i32)> {
    points.iter().copied().map(pixel).collect()
}

fn rgba(colour: Colour) -> RGBAColor {
    let (red, green, blue) = colour.rgb;
    RGBAColor(red, green, blue, colour.alpha)
}

fn fill(colour: Colour) -> ShapeStyle {
    rgba(colour).filled()
}

fn stroke(colour: Colour, width: f64) -> ShapeStyle {
    rgba(colour).stroke_width((width * SCALE).round() as u32)
}

/// Gives the document its size on the page, its name for those who cannot see it, round line joins and its fonts.
fn head(body: &str, title: &str) -> String {
    let (opening, rest) = body.split_once(">\n").expect("plotters begins with the svg element");
    let large = format!("width=\"{}\" height=\"{}\"", WIDTH * SCALE, HEIGHT * SCALE);
    let sized = format!("width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" stroke-linejoin=\"round\"");
    assert!(opening.contains(&large), "plotters begins with the size: {opening}");
    let opening = opening.replacen(&large, &sized, 1);
    let title = escape(title);
    let faces = text::EMBEDDED.map(|(weight, bytes)| {
        let bytes = base64(bytes);
        format!("@font-face{{font-family:Inter;font-weight:{weight};src:url(data:font/woff2;base64,{bytes})}}")
    });
    format!(
        "{opening}>\n<title>{title}</title>\n<style>{}</style>\n{rest}",
        faces.concat()
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, place| {
            bits << 8 | u32::from(chunk.get(place).copied().unwrap_or(0))
        });
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10.
    #[test]
    fn base64_as_the_rfc_has_it() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
