//! The plots' own font: how wide a text is, and which pixels it covers.
//!
//! Inter (SIL Open Font License, see `fonts/`), cut down to Latin letters, digits and signs. It is part of the
//! program, so that a plot is laid out alike on a machine without any fonts.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};

const REGULAR: &[u8] = include_bytes!("../../fonts/Inter-Regular.ttf");
const SEMI_BOLD: &[u8] = include_bytes!("../../fonts/Inter-SemiBold.ttf");
/// What an SVG asks for, best first.
pub const FAMILIES: &str = "Inter, Helvetica, Arial, sans-serif";
/// The first of [`FAMILIES`] for an SVG to carry along: CSS font weights and WOFF2 files.
pub const EMBEDDED: [(&str, &[u8]); 2] = [
    ("normal", include_bytes!("../../fonts/Inter-Regular.woff2")),
    ("bold", include_bytes!("../../fonts/Inter-SemiBold.woff2")),
];

static FONTS: LazyLock<[FontRef<'static>; 2]> =
    LazyLock::new(|| [REGULAR, SEMI_BOLD].map(|bytes| FontRef::try_from_slice(bytes).expect("the font was tested")));

fn font(bold: bool) -> &'static FontRef<'static> {
    &FONTS[usize::from(bold)]
}

/// ab_glyph measures a font by its height, everybody else by its em.
fn scale(size: f64, bold: bool) -> PxScale {
    let font = font(bold);
    let units = font.units_per_em().expect("the font states its em");
    PxScale::from(size as f32 * font.height_unscaled() / units)
}

/// The width of a line of text whose em is `size`.
pub fn width(text: &str, size: f64, bold: bool) -> f64 {
    let font = font(bold).as_scaled(scale(size, bold));
    text.chars().map(|c| f64::from(font.h_advance(font.glyph_id(c)))).sum()
}

/// Calls `paint` with each pixel that a text covers, and how much of it. `x` is the text's left end and `y` its
/// baseline.
pub fn pixels(text: &str, size: f64, bold: bool, (x, y): (f64, f64), mut paint: impl FnMut(i32, i32, f64)) {
    let scale = scale(size, bold);
    let font = font(bold);
    let scaled = font.as_scaled(scale);
    let mut pen = x as f32;
    for c in text.chars() {
        let id = font.glyph_id(c);
        let glyph = id.with_scale_and_position(scale, ab_glyph::point(pen, y as f32));
        if let Some(outline) = font.outline_glyph(glyph) {
            let corner = outline.px_bounds().min;
            let (left, top) = (corner.x as i32, corner.y as i32);
            outline.draw(|x, y, coverage| paint(left + x as i32, top + y as i32, f64::from(coverage.clamp(0.0, 1.0))));
        }
        pen += scaled.h_advance(id);
    }
}

/// Keeps the beginning of a text that is too wide.
pub fn cut(text: &str, size: f64, bold: bool, room: f64) -> String {
    fit(text, room, size, bold, |text, kept| {
        format!("{}…", text.chars().take(kept).collect::<String>().trim_end())
    })
}

/// Keeps the end of a text that is too wide: where the names in one folder differ.
pub fn cut_front(text: &str, size: f64, bold: bool, room: f64) -> String {
    let all = text.chars().count();
    fit(text, room, size, bold, |text, kept| {
        format!("…{}", text.chars().skip(all - kept).collect::<String>())
    })
}

fn fit(text: &str, room: f64, size: f64, bold: bool, shorten: impl Fn(&str, usize) -> String) -> String {
    if width(text, size, bold) <= room {
        return text.to_owned();
    }
    let shorter = (0..text.chars().count()).rev().map(|kept| shorten(text, kept));
    shorter
        .into_iter()
        .find(|text| width(text, size, bold) <= room)
        .unwrap_or_default()
}

/// Breaks a text at blanks into at most `lines` lines; what has no room is cut with `…`.
pub fn wrap(text: &str, size: f64, room: f64, lines: usize) -> Vec<String> {
    let mut wrapped: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let joined = wrapped.last().map(|line| format!("{line} {word}"));
        match joined {
            // The last line takes all the rest, and is cut.
            Some(joined) if wrapped.len() == lines || width(&joined, size, false) <= room => {
                *wrapped.last_mut().expect("it was just joined to") = joined;
            }
            _ => wrapped.push(word.to_owned()),
        }
    }
    wrapped.iter().map(|line| cut(line, size, false, room)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_grow_with_text_size_and_weight() {
        assert_eq!(width("", 12.0, false), 0.0);
        let narrow = width("ill", 12.0, false);
        assert!(narrow > 0.0 && narrow < width("www", 12.0, false));
        assert!((width("ill", 24.0, false) - 2.0 * narrow).abs() < 0.01);
        assert!(width("records", 12.0, true) > width("records", 12.0, false));
    }

    #[test]
    fn painted_pixels_lie_within_the_measured_width() {
        for bold in [false, true] {
            let text = "kill broker 1 — 1,234 × …";
            let mut right = 0;
            let mut sum = 0.0;
            pixels(text, 40.0, bold, (10.0, 50.0), |x, y, coverage| {
                assert!(x >= 10 && (10..62).contains(&y), "{x} {y}");
                right = right.max(x);
                sum += coverage;
            });
            let end = 10.0 + width(text, 40.0, bold);
            assert!(
                f64::from(right) <= end && f64::from(right) > end - 10.0,
                "{right} {end}"
            );
            assert!(sum > 1000.0);
        }
    }

    #[test]
    fn what_has_no_room_is_cut() {
        let room = width("durability/", 14.0, false);
        assert_eq!(cut("durability/", 14.0, false, room), "durability/");
        assert_eq!(cut("durability/leader killed", 14.0, false, room), "durabilit…");
        assert_eq!(cut_front("durability/leader", 14.0, false, room), "…/leader");
        assert_eq!(cut("wide", 14.0, false, 0.0), "");
    }

    #[test]
    fn text_wraps_at_blanks_and_the_last_line_is_cut() {
        let room = width("an acknowledged", 14.0, false);
        let wrap = |lines| wrap("an acknowledged write  outlives its leader", 14.0, room, lines);
        assert_eq!(wrap(3), ["an acknowledged", "write outlives its", "leader"]);
        assert_eq!(wrap(2), ["an acknowledged", "write outlives it…"]);
        assert!(super::wrap("  ", 14.0, room, 2).is_empty());
    }
}
