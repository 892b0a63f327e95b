//! Consumer groups: their lag, who owned what, and what they did.

use super::frame::{Frame, Values, title};
use super::lag::{self, Words};
use super::scene::{Colour, Point, Scene, Text};
use super::sheet::{INK, LEGEND, LEGEND_END, QUIET, SMALL};
use super::throughput::{CUT, mean_while_active};
use super::ticks;
use super::{rebalances, text};
use crate::numbers::{counted, decimal, rate, thousands};
use crate::record::{GroupSeries, LagSeries, OwnerBand, RunRecord};

const PROCESSED: (Colour, f64) = (Colour::hex(0x1b_6ca8), 2.4);
const RETRIED: (Colour, f64) = (Colour::hex(0xe0_7b14), 2.0);
const DEAD: (Colour, f64) = (Colour::hex(0xb0_0020), 2.0);
/// Owners, as far apart as twelve colours can be. The next twelve have one stripe more, and so on.
const OWNERS: [Colour; 12] = [
    Colour::hex(0x44_77aa),
    Colour::hex(0xee_8866),
    Colour::hex(0x22_8833),
    Colour::hex(0xe5_c21c),
    Colour::hex(0xaa_3377),
    Colour::hex(0x66_ccee),
    Colour::hex(0x88_5533),
    Colour::hex(0xbb_cc33),
    Colour::hex(0x99_99dd),
    Colour::hex(0xcc_3311),
    Colour::hex(0x00_8080),
    Colour::hex(0xff_aabb),
];
/// So many owners are named in the legend.
const NAMED: usize = 16;

/// The lag of each group's committed positions.
pub fn lag_scene(record: &RunRecord) -> Scene {
    let of_group = |group: &GroupSeries| {
        let name = group.group.clone();
        let series = group.lag.clone().into_iter();
        series.map(move |lag| LagSeries {
            consumer: name.clone(),
            partition: lag.partition,
            records: lag.records,
        })
    };
    let series: Vec<LagSeries> = record.groups.iter().flat_map(of_group).collect();
    let words = Words {
        title: "Group lag",
        subtitle: "behind the committed position",
        nobody: "no group committed a position: there is no lag to show",
        no_lag: "no group was behind at the end of any bucket",
    };
    lag::scene_of(record, &series, &words, &rebalances::of(record))
}

/// Who owned which partition when: a row a partition, a colour a program.
pub fn assignment_scene(record: &RunRecord) -> Scene {
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for group in &record.groups {
        let partitions = group.owners.iter().map(|band| &*band.partition);
        let mut partitions: Vec<&str> = partitions.chain(group.lag.iter().map(|lag| &*lag.partition)).collect();
        partitions.sort_by_key(|partition| by_number(partition));
        partitions.dedup();
        rows.extend(partitions.into_iter().map(|partition| (&*group.group, partition)));
    }
    let one_group = record.groups.len() == 1;
    let named = |(group, partition): &(&str, &str)| match one_group {
        true => (*partition).to_owned(),
        false => format!("{group} · {partition}"),
    };
    let names: Vec<String> = rows.iter().map(named).collect();
    let owners = owners(record);
    let values = Values {
        title: "Assignment",
        subtitle: "which program owned what",
        unit: "partition",
        max: 0.0,
        empty: names.is_empty().then_some("no program owned a partition"),
        rows: &names,
    };
    let mut scene = Scene {
        title: format!("Assignment: {}", title(record)),
        ..Scene::default()
    };
    let frame = Frame::paint(&mut scene, record, &values);
    for group in &record.groups {
        for band in &group.owners {
            let is_row = |row: &(&str, &str)| *row == (&*group.group, &*band.partition);
            let Some(row) = rows.iter().position(is_row) else {
                continue;
            };
            let owner = owners.iter().position(|owner| *owner == band.owner).unwrap_or(0);
            paint_band(&mut scene, &frame, row, band, owner, beside_until(group, band));
        }
    }
    let times = rebalances::of(record);
    rebalances::mark(&mut scene, &frame, &times);
    let mut y = frame.legend_top();
    for (place, owner) in owners.iter().take(NAMED).enumerate() {
        swatch(&mut scene, (LEGEND, y - 11.0), (LEGEND + 22.0, y + 2.0), place);
        let name = text::cut_front(owner, 13.0, false, LEGEND_END - LEGEND - 32.0);
        scene.text(Text::new((LEGEND + 32.0, y), 13.0, INK, name));
        y += 21.0;
    }
    if owners.len() > NAMED {
        let more = format!("and {} more", owners.len() - NAMED);
        scene.text(Text::new((LEGEND, y), 13.0, QUIET, more));
        y += 21.0;
    }
    for said in remarks(record) {
        let said = text::cut(&said, 13.0, false, LEGEND_END - LEGEND);
        scene.text(Text::new((LEGEND, y), 13.0, QUIET, said));
        y += 21.0;
    }
    rebalances::explain(&mut scene, y - 21.0, &times);
    scene
}

/// What the groups did with records, a second.
pub fn processing_scene(record: &RunRecord) -> Scene {
    let sum = |of: fn(&GroupSeries) -> &Vec<f64>| -> Vec<f64> {
        let buckets = record.throughput.produced.len();
        let of_bucket = |bucket: usize| record.groups.iter().map(|group| of(group)[bucket]).sum();
        (0..buckets).map(of_bucket).collect()
    };
    let total = |of: fn(&GroupSeries) -> u64| record.groups.iter().map(of).sum::<u64>();
    let series = [
        (
            "processed",
            sum(|group| &group.processed),
            total(|group| group.totals.processed),
            PROCESSED,
        ),
        (
            "handed to retry",
            sum(|group| &group.retried),
            total(|group| group.totals.retried),
            RETRIED,
        ),
        (
            "given up",
            sum(|group| &group.dead_lettered),
            total(|group| group.totals.dead_lettered + group.totals.skipped),
            DEAD,
        ),
    ];
    let peak = |rates: &[f64]| rates.iter().copied().fold(0.0, f64::max);
    let (max, is_cut) = ticks::shown(series.iter().flat_map(|(_, rates, ..)| rates));
    let names: Vec<&str> = record.groups.iter().map(|group| &*group.group).collect();
    let subtitle = text::cut(&names.join(", "), 13.0, false, LEGEND_END - LEGEND);
    let values = Values {
        title: "Processing",
        subtitle: &subtitle,
        unit: "records/s",
        max,
        empty: (max == 0.0).then_some("no program processed anything"),
        rows: &[],
    };
    let mut scene = Scene {
        title: format!("Processing: {}", title(record)),
        ..Scene::default()
    };
    let frame = Frame::paint(&mut scene, record, &values);
    let times = rebalances::of(record);
    rebalances::mark(&mut scene, &frame, &times);
    let mut y = frame.legend_top();
    for (name, rates, total, (colour, width)) in &series {
        if *total > 0 {
            let middle = |bucket: usize| (bucket as f64 + 0.5) * record.bucket_seconds;
            let points = rates.iter().enumerate();
            let points = points.map(|(bucket, rate)| frame.at(middle(bucket), *rate)).collect();
            scene.line(points, *colour, *width);
        }
        scene.line(vec![(LEGEND, y - 5.0), (LEGEND + 26.0, y - 5.0)], *colour, *width);
        let left = LEGEND + 36.0;
        scene.text(Text::new((left, y), 15.0, INK, *name).bold());
        let said = counted(*total, "record");
        scene.text(Text::new((left, y + 19.0), 13.0, QUIET, said));
        if *total > 0 {
            let said = format!("peak {}, mean {}", rate(peak(rates)), rate(mean_while_active(rates)));
            scene.text(Text::new((left, y + 36.0), 13.0, QUIET, said));
        }
        y += 62.0;
    }
    if is_cut {
        scene.text(Text::new((LEGEND, y - 14.0), SMALL, QUIET, CUT));
        y += 18.0;
    }
    rebalances::explain(&mut scene, y - 36.0, &times);
    scene
}

/// What the bands do not show.
fn remarks(record: &RunRecord) -> Vec<String> {
    let mut remarks = Vec::new();
    for group in record.groups.iter().filter(|group| group.idle > 0) {
        let of = match record.groups.len() {
            1 => String::new(),
            _ => format!(" in {}", group.group),
        };
        remarks.push(format!("{} without a partition{of}", thousands(group.idle)));
    }
    let from = record.groups.iter().map(|group| group.owners_from).fold(0.0, f64::max);
    if from > 0.0 {
        remarks.push(format!("less than {} s is left out", decimal(from)));
    }
    remarks
}

/// The colour of an owner, with as many stripes as its twelve is after the first.
fn swatch(scene: &mut Scene, (left, upper): Point, (right, lower): Point, owner: usize) {
    scene.rect((left, upper), (right, lower), OWNERS[owner % OWNERS.len()]);
    let stripes = owner / OWNERS.len();
    // At the lower edge, where no name stands.
    let height = (lower - upper) / 10.0;
    for stripe in 0..stripes.min(4) {
        let bottom = lower - height * (2 * stripe) as f64;
        scene.rect((left, bottom - height), (right, bottom), INK.alpha(0.6));
    }
}

/// As long as somebody else owns the partition too, the later owner's band takes the lower half of the row only.
fn paint_band(scene: &mut Scene, frame: &Frame, row: usize, band: &OwnerBand, owner: usize, beside_until: f64) {
    let (upper, lower) = frame.row(row);
    let gap = ((lower - upper) * 0.12).min(4.0);
    let (upper, lower) = (upper + gap, lower - gap);
    let x = |seconds: f64| frame.at(seconds, 0.0).0;
    let colour = OWNERS[owner % OWNERS.len()];
    let alone_from = beside_until.clamp(band.from, band.to);
    if alone_from > band.from {
        swatch(
            scene,
            (x(band.from), (upper + lower) / 2.0),
            (x(alone_from), lower),
            owner,
        );
    }
    let (left, right) = (x(alone_from), x(band.to).max(x(alone_from) + 1.0));
    swatch(scene, (left, upper), (right, lower), owner);
    // A short name where there is room for it: not everybody can distinguish the colours.
    let name = band.owner.rsplit('/').next().unwrap_or(&band.owner);
    if lower - upper >= 13.0 && text::width(name, SMALL, true) <= right - left - 8.0 {
        let (r, g, b) = colour.rgb;
        let is_dark = 3 * u32::from(r) + 6 * u32::from(g) + u32::from(b) < 1_500;
        let ink = if is_dark { Colour::hex(0xff_ffff) } else { INK };
        let name = Text::new((left + 4.0, (upper + lower) / 2.0 + 4.0), SMALL, ink, name);
        scene.text(name.bold());
    }
}

/// Until when somebody else owned the partition who had it before the band began.
fn beside_until(group: &GroupSeries, band: &OwnerBand) -> f64 {
    let earlier = group.owners.iter().take_while(|other| *other != band);
    let beside = earlier.filter(|other| other.partition == band.partition && other.owner != band.owner);
    beside.map(|other| other.to).fold(band.from, f64::max)
}

/// The programs that ever owned anything, by name.
fn owners(record: &RunRecord) -> Vec<&str> {
    let bands = record.groups.iter().flat_map(|group| &group.owners);
    let mut owners: Vec<&str> = bands.map(|band| &*band.owner).collect();
    owners.sort_by_key(|owner| by_number(owner));
    owners.dedup();
    owners
}

/// `orders/10` comes after `orders/9`.
fn by_number(name: &str) -> (String, u64) {
    let (of, number) = name.rsplit_once('/').unwrap_or((name, ""));
    (of.to_owned(), number.parse().unwrap_or(0))
}
