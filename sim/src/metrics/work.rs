//! What programs did, in numbers: sends, their answers, records that they got.

use std::collections::BTreeMap;

use super::Counts;
use crate::scenario::measures::Quantity;

/// How many of what, per bucket, by the index of the programs' group; none is of those that are in no group.
#[derive(Default)]
pub(super) struct Work(BTreeMap<(Quantity, Option<usize>), Counts>);

impl Work {
    /// So many more in this bucket.
    pub fn add(&mut self, what: Quantity, group: Option<usize>, bucket: usize, count: u64) {
        self.0.entry((what, group)).or_default().add(bucket, count);
    }

    /// Two buckets become one.
    pub fn halve(&mut self) {
        self.0.values_mut().for_each(Counts::halve);
    }

    /// Of all groups together.
    pub fn total(&self, what: Quantity) -> Counts {
        let mut total = Counts::default();
        for (_, counts) in self.0.iter().filter(|((counted, _), _)| *counted == what) {
            for (bucket, count) in counts.0.iter().enumerate() {
                total.add(bucket, *count);
            }
        }
        total
    }

    /// Of each group by its name.
    pub fn by_name(self, names: &[String]) -> BTreeMap<(Quantity, String), Vec<u64>> {
        let named = self.0.into_iter().map(|((what, group), counts)| {
            let name = group.map_or_else(String::new, |group| names[group].clone());
            ((what, name), counts.0)
        });
        named.collect()
    }
}
