//! The plain consumer: polls, works on what it got, polls again.

use std::sync::Arc;

use broker_core::types::Offset;

use super::{Pause, Step};
use crate::history::SimTime;
use crate::program::outcome::PollError;
use crate::program::partition::TopicPartition;
use crate::program::station::{Station, Wish};
use crate::scenario::{ConsumerGroup, ConsumerStep, ScheduledStep, SeekTarget};

/// Reads its partitions from the group's start for ever.
pub(crate) struct Reader {
    client: usize,
    group: Arc<ConsumerGroup>,
    partitions: Vec<TopicPartition>,
    /// How many steps of the schedule are done.
    steps: usize,
    state: State,
}

enum State {
    /// Its time has not come.
    Beginning,
    Polling,
    /// It works on what it got until then.
    Working(SimTime),
    /// It has no place in the cluster any more.
    Ended,
}

impl Reader {
    /// A reader that uses the consumer of `client`.
    pub(crate) fn new(client: usize, group: &Arc<ConsumerGroup>, partitions: &[TopicPartition]) -> Reader {
        Reader {
            client,
            group: Arc::clone(group),
            partitions: partitions.to_vec(),
            steps: 0,
            state: State::Beginning,
        }
    }

    /// Takes the steps of the schedule whose time has come, and returns when the next one is due.
    fn take_steps(&mut self, station: &mut Station) -> Option<SimTime> {
        let group = Arc::clone(&self.group);
        for step in &group.schedule[self.steps..] {
            let due = SimTime::after(step.at);
            if station.at.time < due {
                return Some(due);
            }
            self.steps += 1;
            self.take(step, station);
        }
        None
    }

    /// One step, with those of the partitions that it is about.
    fn take(&self, step: &ScheduledStep, station: &mut Station) {
        let is_meant = |of: &&TopicPartition| step.partition.is_none_or(|index| of.partition.0 as u32 == index);
        for partition in self.partitions.iter().filter(is_meant) {
            let wish = match step.step {
                ConsumerStep::Pause => Wish::Pause,
                ConsumerStep::Resume => Wish::Resume,
                ConsumerStep::Seek(SeekTarget::Beginning) => Wish::BEGINNING,
                ConsumerStep::Seek(SeekTarget::End) => Wish::END,
                ConsumerStep::Seek(SeekTarget::Offset(offset)) => Wish::Seek(Offset(offset.into())),
                // A consumer without a position has nothing to go back from.
                ConsumerStep::Seek(SeekTarget::Back(count)) => match station.position(self.client, partition) {
                    Some(position) => Wish::Seek(Offset((position.0 - i64::from(count)).max(0))),
                    None => continue,
                },
            };
            station.wish(self.client, partition, wish);
        }
    }

    fn seek(&self, station: &mut Station, partition: &TopicPartition, to: Offset) {
        station.wish(self.client, partition, Wish::Seek(to));
    }
}

impl Step for Reader {
    fn step(&mut self, station: &mut Station) -> Pause {
        loop {
            match self.state {
                State::Beginning => {
                    let start = SimTime::after(self.group.start);
                    if station.at.time < start {
                        return Pause::until(start);
                    }
                    station.assign(self.client, self.partitions.clone());
                    self.state = State::Polling;
                }
                State::Working(until) if station.at.time < until => return Pause::until(until),
                State::Working(_) => self.state = State::Polling,
                State::Polling => {
                    let until = self.take_steps(station);
                    match station.next_error(self.client) {
                        // Without a reset policy the application decides: from where the logs part, or from the beginning.
                        Some(PollError::NoOffset { partition }) => self.seek(station, &partition, Offset::ZERO),
                        Some(PollError::LogTruncated {
                            partition, diverging, ..
                        }) => self.seek(station, &partition, diverging.unwrap_or(Offset::ZERO)),
                        Some(PollError::Group(_)) => self.state = State::Ended,
                        None => match station.take_records(self.client) {
                            Some(polled) => {
                                let records = u32::try_from(polled.len()).unwrap_or(u32::MAX);
                                let work = self.group.processing.saturating_mul(records);
                                self.state = State::Working(station.at.time + work);
                            }
                            None => return Pause { until, news: true },
                        },
                    }
                }
                State::Ended => return Pause::END,
            }
        }
    }
}
