//! What a measure of the scenario comes to, by the series of a trial.

use core::time::Duration;

use reports::numbers::decimal;
use reports::record::{GroupSeries, Measured};

use super::Series;
use crate::history::SimTime;
use crate::scenario::measures::{Aggregate, Measure, Quantity, Reading};

/// How long a trial was, and how long it should have been.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// The scenario's: load and faults.
    pub duration: Duration,
    /// When the trial ended.
    pub end: SimTime,
    /// Whether a limit ended it.
    pub is_cut_off: bool,
}

impl Series {
    /// The figure of a trial of this length, and whether it keeps within its bounds.
    #[must_use]
    pub fn measured(&self, measure: &Measure, length: Length) -> Measured {
        let until = measure.end(length.duration);
        let end = Duration::from_nanos(length.end.0);
        let figure = self
            .values(measure.quantity, measure.of.as_deref())
            .and_then(|values| self.figure(measure, &values, until, end));
        let is_in_bounds = |value: f64| {
            measure.below.is_none_or(|below| value < below) && measure.above.is_none_or(|above| value > above)
        };
        // Of a trial that a limit ended the figure may still change, but what grew too large stays so.
        let may_change = length.is_cut_off && end < until;
        let is_final = match (measure.aggregate, measure.quantity.reading()) {
            (None, Reading::Count) => measure
                .below
                .is_some_and(|below| figure.is_some_and(|f| f.value >= below)),
            (None, _) => true,
            (Some(_), _) => false,
        };
        let is_met = match figure {
            Some(figure) if is_in_bounds(figure.value) => (!may_change).then_some(true),
            Some(_) => (!may_change || is_final).then_some(false),
            None => (!length.is_cut_off).then_some(false),
        };
        let (bounds, window) = (measure.bounds(), measure.window());
        let space = if window.is_empty() { "" } else { " " };
        let what = measure.to_string();
        let evidence = match figure {
            None => format!("{what} was never measured, {bounds} wanted{space}{window}"),
            Some(Figure { value, at }) => {
                let at = at.map_or_else(String::new, |at| format!(" at {} s", decimal(at)));
                let per = if measure.quantity.reading() == Reading::Rate {
                    "/s"
                } else {
                    ""
                };
                format!("{what} was {}{per}{at}, {bounds} wanted{space}{window}", decimal(value))
            }
        };
        Measured {
            what,
            unit: measure.quantity.unit().to_owned(),
            bounds,
            window,
            value: figure.map(|figure| figure.value),
            at: figure.and_then(|figure| figure.at),
            is_met,
            evidence,
        }
    }

    /// A value for each bucket; none if whose it should be never appeared.
    fn values(&self, quantity: Quantity, of: Option<&str>) -> Option<Vec<f64>> {
        let buckets = self.throughput.produced.len();
        let sum = |series: &mut dyn Iterator<Item = &[f64]>| {
            let mut total = vec![0.0; buckets];
            for values in series {
                total.iter_mut().zip(values).for_each(|(total, value)| *total += value);
            }
            total
        };
        let groups: Vec<&GroupSeries> = self
            .groups
            .iter()
            .filter(|group| of.is_none_or(|of| of == group.group))
            .collect();
        let of_groups = |of_group: &dyn Fn(&GroupSeries) -> Vec<f64>| {
            let all: Vec<Vec<f64>> = groups.iter().map(|group| of_group(group)).collect();
            let is_there = of.is_none() || !groups.is_empty();
            is_there.then(|| sum(&mut all.iter().map(Vec::as_slice)))
        };
        let whole = |rates: &[f64]| rates.iter().map(|rate| (rate * self.bucket_seconds).round()).collect();
        match quantity {
            Quantity::Lag => self.lag_of(of?),
            Quantity::Sent | Quantity::Acked | Quantity::Consumed | Quantity::Committed => {
                let rates = self.counts_of(quantity, of);
                Some(rates.into_iter().map(|count| count / self.bucket_seconds).collect())
            }
            Quantity::Failed | Quantity::Unknown => Some(self.counts_of(quantity, of)),
            Quantity::Processed => of_groups(&|group| group.processed.clone()),
            Quantity::Retried => of_groups(&|group| whole(&group.retried)),
            Quantity::DeadLettered => of_groups(&|group| whole(&group.dead_lettered)),
            Quantity::Rebalances => of_groups(&|group| {
                let mut counts = vec![0.0; buckets];
                for time in &group.rebalances {
                    let bucket = (time / self.bucket_seconds).ceil() as usize;
                    if let Some(count) = counts.get_mut(bucket.saturating_sub(1)) {
                        *count += 1.0;
                    }
                }
                counts
            }),
        }
    }

    /// That of a consumer group's committed positions; else of what consumers of this name have got.
    fn lag_of(&self, name: &str) -> Option<Vec<f64>> {
        let group = self.groups.iter().filter(|group| group.group == name);
        let committed: Vec<&[u64]> = group.flat_map(|group| &group.lag).map(|lag| &lag.records[..]).collect();
        let got = self.lag.iter().filter(|lag| lag.consumer == name);
        let got: Vec<&[u64]> = got.map(|lag| &lag.records[..]).collect();
        let series = if committed.is_empty() { got } else { committed };
        let first = series.first()?;
        let total = |bucket| series.iter().map(|records| records[bucket]).sum::<u64>() as f64;
        Some((0..first.len()).map(total).collect())
    }

    fn counts_of(&self, quantity: Quantity, of: Option<&str>) -> Vec<f64> {
        let mut total = vec![0.0; self.throughput.produced.len()];
        for ((counted, name), counts) in &self.counts {
            if *counted == quantity && of.is_none_or(|of| of == name) {
                total
                    .iter_mut()
                    .zip(counts)
                    .for_each(|(total, count)| *total += *count as f64);
            }
        }
        total
    }

    /// What a measure makes of its values up to `until`, of a trial that ended at `end`.
    fn figure(&self, measure: &Measure, values: &[f64], until: Duration, end: Duration) -> Option<Figure> {
        let width = Duration::from_secs_f64(self.bucket_seconds);
        let begin = |bucket: usize| width * bucket as u32;
        let (from, until) = (measure.from.min(end), until.min(end));
        let close = |bucket: usize| width * (bucket as u32 + 1);
        let read_at = |bucket: usize| close(bucket).min(end);
        let reading = measure.quantity.reading();
        let is_meant = |bucket: &usize| match reading {
            Reading::Level => read_at(*bucket) >= from && read_at(*bucket) <= until,
            Reading::Rate => begin(*bucket) >= from && close(*bucket) <= until,
            Reading::Count => begin(*bucket) < until && close(*bucket) > from,
        };
        let mut meant: Vec<usize> = (0..values.len()).filter(is_meant).collect();
        if meant.is_empty() {
            // A time shorter than a bucket is as the bucket that it ends in.
            meant.extend((0..values.len()).find(|bucket| close(*bucket) >= until));
        }
        let at = |bucket: &usize| Figure {
            value: values[*bucket],
            at: Some(rounded(read_at(*bucket).as_secs_f64())),
        };
        let figures = meant.iter().map(at);
        let total: f64 = meant.iter().map(|bucket| values[*bucket]).sum();
        let all = |value: f64| {
            (!meant.is_empty()).then_some(Figure {
                value: rounded(value),
                at: None,
            })
        };
        // Of equal ones the first.
        let max = || figures.clone().reduce(|a, b| if b.value > a.value { b } else { a });
        let min = || figures.clone().reduce(|a, b| if b.value < a.value { b } else { a });
        let figure = match (reading, measure.aggregate) {
            (Reading::Count, _) => all(total),
            (_, Some(Aggregate::Mean)) => all(total / meant.len() as f64),
            (_, Some(Aggregate::Last)) => meant.last().map(at),
            (_, Some(Aggregate::Max)) => max(),
            (_, Some(Aggregate::Min)) => min(),
            (_, None) => {
                let low = min().filter(|low| measure.above.is_some_and(|above| low.value <= above));
                low.or_else(|| if measure.below.is_some() { max() } else { min() })
            }
        }?;
        Some(Figure {
            value: rounded(figure.value),
            ..figure
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Figure {
    value: f64,
    /// In seconds, if one moment has it.
    at: Option<f64>,
}

/// Rounded to thousandths, so that the number is the same when it is read back from JSON.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests;
