//! A scene as SVG.

use plotters::backend::SVGBackend;
use plotters::element::PathElement;
use plotters::prelude::{DrawingBackend, IntoDrawingArea, IntoFont};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, TextStyle};

use super::paint::{Painted, Sheet, rgba};
use super::scene::{Anchor, HEIGHT, Mark, Scene, Text, WIDTH};
use super::text;

/// Points are exact to a tenth of a pixel.
const SCALE: f64 = 10.0;

/// The scene as an SVG document that needs nothing outside itself. Equal scenes give equal text.
pub fn draw(scene: &Scene) -> Result<String, String> {
    let mut body = String::new();
    let size = ((WIDTH * SCALE) as u32, (HEIGHT * SCALE) as u32);
    {
        let sheet = Sheet {
            area: SVGBackend::with_string(&mut body, size).into_drawing_area(),
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
    Ok(head(&body, &scene.title))
}

fn paint<DB: DrawingBackend>(sheet: &Sheet<DB>, mark: &Mark) -> Painted<DB> {
    match mark {
        Mark::Line { points, colour, width } => {
            let stroke = rgba(*colour).stroke_width(sheet.length(*width) as u32);
            sheet.area.draw(&PathElement::new(sheet.pixels(points), stroke))
        }
        Mark::Area { points, colour } => sheet.area(points, *colour),
        Mark::Disc { at, radius, colour } => sheet.disc(*at, *radius, *colour),
        Mark::Text(text) => paint_text(sheet, text),
    }
}

fn paint_text<DB: DrawingBackend>(sheet: &Sheet<DB>, text: &Text) -> Painted<DB> {
    let horizontal = match text.anchor {
        Anchor::Start => HPos::Left,
        Anchor::Middle => HPos::Center,
        Anchor::End => HPos::Right,
    };
    // plotters divides sizes by 1.24 as it writes them, and lets baselines hang 0.76 em below the given point.
    let em = text.size * SCALE;
    let style = if text.bold { FontStyle::Bold } else { FontStyle::Normal };
    let font = (text::FAMILIES, em * 1.24).into_font().style(style);
    let colour = rgba(text.colour);
    let style = TextStyle::from(font)
        .color(&colour)
        .pos(Pos::new(horizontal, VPos::Top));
    let (x, baseline) = sheet.pixel(text.at);
    let top = baseline - (em * 0.76).round() as i32;
    sheet
        .area
        .draw(&plotters::element::Text::new(text.text.as_str(), (x, top), style))
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
