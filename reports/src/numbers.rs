//! Numbers as people read them.

/// `1234567` as `1,234,567`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let mut text = digits[..head].to_owned();
    for group in digits.as_bytes()[head..].chunks(3) {
        if !text.is_empty() {
            text.push(',');
        }
        text.extend(group.iter().map(|digit| char::from(*digit)));
    }
    text
}

/// Three to four digits: `950`, `9,950`, `12.3 k`, `1.0 M`.
#[must_use]
pub fn short(number: u64) -> String {
    match number {
        0..10_000 => thousands(number),
        10_000..999_950 => format!("{:.1} k", number as f64 / 1e3),
        999_950..999_950_000 => format!("{:.1} M", number as f64 / 1e6),
        _ => format!("{} M", thousands((number as f64 / 1e6).round() as u64)),
    }
}

/// Three decimals at most, and none that are zeros: `0.25`, `12.5`, `1,234`, `1,234.567`.
#[must_use]
pub fn decimal(number: f64) -> String {
    let text = format!("{number:.3}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
    match fraction.trim_end_matches('0') {
        "" => whole,
        fraction => format!("{whole}.{fraction}"),
    }
}

/// So many a second, in the unit in which that is at least one: `1,234/s`, `2.5/s`, `30/min`, `1.5/h`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    let units = [("/s", 1.0), ("/min", 60.0), ("/h", 3_600.0)];
    let fits = units.iter().find(|(_, seconds)| per_second * seconds >= 0.95);
    match fits {
        _ if per_second == 0.0 => "0/s".to_owned(),
        None => format!("{}/day", decimal((per_second * 864_000.0).round() / 10.0)),
        Some((unit, seconds)) => match per_second * seconds {
            many @ 9.95.. => format!("{}{unit}", thousands(many.round() as u64)),
            few => format!("{}{unit}", decimal((few * 10.0).round() / 10.0)),
        },
    }
}

/// `1 trial`, `2 trials`.
#[must_use]
pub fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// `1 record`, `1.0 M records`.
#[must_use]
pub fn counted_short(number: u64, what: &str) -> String {
    format!("{} {what}{}", short(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_in_threes() {
        for (number, text) in [
            (0, "0"),
            (7, "7"),
            (999, "999"),
            (1_000, "1,000"),
            (54_321, "54,321"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(thousands(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn rates_are_shown_in_the_unit_that_they_fill() {
        for (per_second, text) in [
            (0.0, "0/s"),
            (1_234.4, "1,234/s"),
            (9.94, "9.9/s"),
            (1.0, "1/s"),
            (0.5, "30/min"),
            (1.0 / 60.0, "1/min"),
            (0.001, "3.6/h"),
            (1.0 / 43_200.0, "2/day"),
        ] {
            assert_eq!(rate(per_second), text);
        }
    }

    #[test]
    fn decimals_end_with_their_last_digit() {
        for (number, text) in [
            (0.0, "0"),
            (0.25, "0.25"),
            (0.0004, "0"),
            (12.5, "12.5"),
            (999.9996, "1,000"),
            (1_234.567, "1,234.567"),
            (1e30, "1000000000000000019884624838656"),
        ] {
            assert_eq!(decimal(number), text);
        }
    }

    #[test]
    fn short_numbers_keep_their_size() {
        for (number, text) in [
            (0, "0"),
            (9_999, "9,999"),
            (10_000, "10.0 k"),
            (999_949, "999.9 k"),
            (999_950, "1.0 M"),
            (12_340_000, "12.3 M"),
            (999_950_000, "1,000 M"),
            (5_000_000_000, "5,000 M"),
        ] {
            assert_eq!(short(number), text);
        }
    }
}
