//! A record that waits for room in its producer's buffer (`max.block.ms`).

use broker_core::client::producer::{ProducerRecord, SendId, SendRefused};
use broker_core::config::millis;

use super::Pause;
use crate::history::SimTime;
use crate::program::station::Station;

/// The record and the end of its wait.
pub(super) struct Blocked {
    record: ProducerRecord,
    until: SimTime,
    is_watched: bool,
}

impl Blocked {
    /// From now on for at most `max_block_ms`; with its send's end kept if that is watched.
    pub(super) fn new(record: ProducerRecord, station: &Station, max_block_ms: u64, is_watched: bool) -> Blocked {
        Blocked {
            record,
            until: station.at.time + millis(max_block_ms),
            is_watched,
        }
    }

    /// Tries again.
    ///
    /// # Errors
    /// If there is still no room: what is waited for.
    pub(super) fn try_again(&self, station: &mut Station, client: usize) -> Result<Option<SendId>, Pause> {
        match station.enqueue(client, &self.record, self.is_watched) {
            Err(SendRefused::BufferFull) if station.at.time < self.until => Err(Pause {
                until: Some(self.until),
                news: true,
            }),
            Err(SendRefused::BufferFull) => {
                station.refuse(client, &self.record, SendRefused::BufferFull);
                Ok(None)
            }
            end => Ok(end.ok()),
        }
    }
}
