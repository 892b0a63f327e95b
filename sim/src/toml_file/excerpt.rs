//! The lines around a place of a file, with the place underlined.

use core::ops::Range;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns from one tab stop to the next.
const TAB: usize = 4;

/// How an excerpt is drawn: on terminals with lines and colours, elsewhere with what every font has.
struct Style {
    top: &'static str,
    bottom: &'static str,
    bar: &'static str,
    gap: &'static str,
    underline: &'static str,
    /// Around numbers of lines.
    dim: [&'static str; 2],
    /// Around the name of the file.
    link: [&'static str; 2],
    /// Around what underlines.
    mark: [&'static str; 2],
}

const PLAIN: Style = Style {
    top: ",-",
    bottom: "`----",
    bar: "|",
    gap: ":",
    underline: "^",
    dim: ["", ""],
    link: ["", ""],
    mark: ["", ""],
};

const FANCY: Style = Style {
    top: "╭─",
    bottom: "╰────",
    bar: "│",
    gap: "·",
    underline: "─",
    dim: ["\x1b[2m", "\x1b[0m"],
    link: ["\x1b[36;1;4m", "\x1b[0m"],
    mark: ["\x1b[35;1m", "\x1b[0m"],
};

/// The first line of `span` (bytes of `text`) between its neighbours, headed by `[path:line:column]`. What stands
/// behind the end of the text is shown at its last character.
pub fn excerpt(path: &str, text: &str, span: &Range<usize>, fancy: bool) -> String {
    let style = if fancy { FANCY } else { PLAIN };
    let lines: Vec<&str> = text.lines().collect();
    let (at, column) = place(text, span.start);
    let shown = at.saturating_sub(1)..lines.len().min(at + 2);
    let margin = shown.end.to_string().len().max(1);
    let blank = " ".repeat(margin + 2);

    let [on, off] = style.link;
    let mut drawn = format!(
        "{blank}{}[{on}{path}:{}:{}{off}]\n",
        style.top,
        at + 1,
        column.chars().count() + 1
    );
    for number in shown {
        let [on, off] = style.dim;
        let line = printable(lines[number], 0);
        drawn.push_str(&format!(" {on}{:>margin$}{off} {} {line}\n", number + 1, style.bar));
        if number == at {
            let [on, off] = style.mark;
            let rest = &lines[at][column.len().min(lines[at].len())..];
            let marked = &rest[..rest.floor_char_boundary(span.len().min(rest.len()))];
            let before = printable(column.trim_end_matches('\r'), 0).width();
            let marks = printable(marked, before).width().max(1);
            let (before, marks) = (" ".repeat(before), style.underline.repeat(marks));
            drawn.push_str(&format!("{blank}{} {before}{on}{marks}{off}\n", style.gap));
        }
    }
    drawn.push_str(&format!("{blank}{}\n", style.bottom));
    drawn
}

/// The number of the line (from 0) that a byte is in, and what of that line is before the byte.
fn place(text: &str, byte: usize) -> (usize, &str) {
    let last = text.char_indices().next_back().map_or(0, |(at, _)| at);
    let before = &text[..text.floor_char_boundary(byte.min(last))];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count(), &before[start..])
}

/// A part of a line that begins in this column, as it can be printed: tabs are spaces, and what would steer a terminal
/// is a replacement character.
fn printable(part: &str, mut column: usize) -> String {
    let mut printed = String::with_capacity(part.len());
    for character in part.chars() {
        if character == '\t' {
            let spaces = TAB - column % TAB;
            printed.extend(core::iter::repeat_n(' ', spaces));
            column += spaces;
            continue;
        }
        let shown = if character.is_control() { '\u{fffd}' } else { character };
        printed.push(shown);
        column += shown.width().unwrap_or(0);
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn what_is_underlined_stands_below_what_is_meant() {
        let text = "a = 1\n\t\u{30c8}\u{30d4} = \"x\"\tbad\x1b[0m = 2\r\nb = 3\n";
        let start = text.find("bad").expect("is there");
        let drawn = excerpt("f.toml", text, &(start..start + 3), false);
        let expected = "   ,-[f.toml:2:11]\n 1 | a = 1\n 2 |     \u{30c8}\u{30d4} = \"x\"  bad\u{fffd}[0m = 2\n   :                 ^^^\n 3 | b = 3\n   `----\n";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn every_place_of_a_text_can_be_shown() {
        let text = "a\r\n\u{e9}\n\n[x]";
        for start in 0..=text.len() + 2 {
            for end in start..=text.len() + 2 {
                assert!(excerpt("f", text, &(start..end), false).contains("^"), "{start}..{end}");
            }
        }
    }

    #[test]
    fn a_span_of_several_lines_is_underlined_in_its_first() {
        let drawn = excerpt("f", "x = [\n 1,\n]\n", &(4..11), true);
        assert!(drawn.contains("─\x1b[0m\n"), "{drawn}");
        assert_eq!(drawn.matches("\x1b[35;1m─\x1b[0m").count(), 1, "{drawn}");
    }
}
