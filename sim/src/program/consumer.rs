//! The consumer as an application sees it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use broker_core::client::consumer::{Consumer, Rebalance};
use broker_core::machine::Now;
use broker_core::protocol::{ErrorCode, OffsetAndMetadata};
use broker_core::topic_pattern::InvalidPattern;
use broker_core::types::{self, Offset, TopicName};

use super::clock::Clock;
use super::outcome::{CommitError, PollError};
use super::partition::TopicPartition;
use super::received::ConsumerRecord;
use super::station::{Shared, Wish};

/// A handle on a consumer.
///
/// [`ConsumerClient::subscribe`] makes it a member of the group of its `group.id`; [`ConsumerClient::assign`] gives it
/// partitions by hand. Poll it again and again: a member that does not poll for `max.poll.interval.ms` leaves its group.
/// The library lives on when the handle is dropped, until its process ends; [`ConsumerClient::close`] leaves in good
/// order.
pub struct ConsumerClient {
    shared: Shared,
    client: usize,
}

/// What an application does when partitions come and go (Kafka `ConsumerRebalanceListener`). The rebalance waits for
/// it, within `max.poll.interval.ms` and the group's rebalance timeout.
pub trait RebalanceListener {
    /// These are being taken away in good order: their positions can still be committed.
    fn revoked(&mut self, consumer: &mut ConsumerClient, partitions: &[TopicPartition]) -> impl Future<Output = ()> {
        let _ = (consumer, partitions);
        async {}
    }

    /// These are gone already: somebody else may own them.
    fn lost(&mut self, consumer: &mut ConsumerClient, partitions: &[TopicPartition]) -> impl Future<Output = ()> {
        let _ = (consumer, partitions);
        async {}
    }

    /// These have come.
    fn assigned(&mut self, consumer: &mut ConsumerClient, partitions: &[TopicPartition]) -> impl Future<Output = ()> {
        let _ = (consumer, partitions);
        async {}
    }
}

/// Does nothing when partitions come and go.
impl RebalanceListener for () {}

/// Why a wait ended.
enum Woken {
    Failed(PollError),
    Records(Vec<ConsumerRecord>),
    Rebalance(Rebalance),
    /// The poll begins again, to report to the consumer that the application is alive, or done with all that it got.
    Renewed,
    TimedOut,
}

impl ConsumerClient {
    pub(super) fn new(shared: Shared, client: usize) -> ConsumerClient {
        ConsumerClient { shared, client }
    }

    // ---- what it reads

    /// Shares the partitions of these topics with the other members of its group.
    pub fn subscribe(&mut self, topics: &[&str]) {
        let topics = topics.iter().map(|topic| TopicName::from(*topic)).collect();
        self.shared.lock().clients[self.client].consuming.by_hand.clear();
        self.with(|consumer, now| consumer.subscribe(now, topics));
    }

    /// Shares the partitions of the topics whose whole names match a regular expression (RE2): `consumer.subscribe_pattern("orders-.*")`.
    /// Classic members find topics that come later with their next metadata (`metadata.max.age.ms`); in the consumer protocol the
    /// coordinator looks for them, and a text that is no pattern ends the membership (`PollError::Group`).
    ///
    /// # Errors
    /// When a classic member's pattern is none.
    pub fn subscribe_pattern(&mut self, pattern: &str) -> Result<(), InvalidPattern> {
        self.shared.lock().clients[self.client].consuming.by_hand.clear();
        self.with(|consumer, now| consumer.subscribe_pattern(now, pattern))
    }

    /// Reads these partitions from now on, and no others: `consumer.assign([("orders", 0)])`.
    pub fn assign<P: Into<TopicPartition>>(&mut self, partitions: impl IntoIterator<Item = P>) {
        let partitions = partitions.into_iter().map(Into::into).collect();
        self.shared.lock().assign(self.client, partitions);
    }

    /// The partitions that it reads: assigned by hand, or owned as a member.
    #[must_use]
    pub fn assignment(&self) -> Vec<TopicPartition> {
        let mut station = self.shared.lock();
        let by_hand = &station.clients[self.client].consuming.by_hand;
        if !by_hand.is_empty() {
            return by_hand.clone();
        }
        let owned = station.consumer(self.client).assignment();
        station.partition_names(self.client, &owned)
    }

    // ---- reading

    /// The next records, at most `max.poll.records`; none if `timeout` passes without any. Rebalances happen in here.
    ///
    /// # Errors
    /// As Kafka's `poll` throws: a partition has no position and `auto.offset.reset` is `none`, or the group has no
    /// place for the consumer.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Vec<ConsumerRecord>, PollError> {
        self.poll_with(&mut (), timeout).await
    }

    /// The same, with a listener that is called on rebalances.
    ///
    /// # Errors
    /// As [`ConsumerClient::poll`].
    pub async fn poll_with<L: RebalanceListener>(
        &mut self,
        listener: &mut L,
        timeout: Duration,
    ) -> Result<Vec<ConsumerRecord>, PollError> {
        let is_member = self.has_group();
        let clock = Clock::new(self.shared.clone());
        let mut given_up = pin!(clock.sleep(timeout));
        // Who waits in a poll is alive, however long that takes.
        let renewal = self.shared.lock().consumer(self.client).max_poll_interval() / 2;
        loop {
            if is_member {
                self.with(|consumer, now| consumer.polled(now));
            }
            let renews = is_member && renewal < timeout;
            let mut renewed = pin!(renews.then(|| clock.sleep(renewal)));
            let woken = poll_fn(|context| {
                if is_member && let Some(rebalance) = self.rebalance() {
                    return Poll::Ready(Woken::Rebalance(rebalance));
                }
                if let Some(error) = self.shared.lock().next_error(self.client) {
                    return Poll::Ready(Woken::Failed(error));
                }
                match self.take_records() {
                    Some(records) if records.is_empty() => return Poll::Ready(Woken::Renewed),
                    Some(records) => return Poll::Ready(Woken::Records(records)),
                    None => {}
                }
                if given_up.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Woken::TimedOut);
                }
                let renewed = renewed.as_mut().as_pin_mut();
                if renewed.is_some_and(|renewed| renewed.poll(context).is_ready()) {
                    return Poll::Ready(Woken::Renewed);
                }
                self.shared.lock().await_consumer(self.client, context.waker());
                Poll::Pending
            })
            .await;
            match woken {
                Woken::Failed(error) => return Err(error),
                Woken::Records(records) => return Ok(records),
                Woken::Rebalance(rebalance) => self.notify(listener, rebalance).await,
                Woken::Renewed => {}
                Woken::TimedOut => return Ok(Vec::new()),
            }
        }
    }

    /// The next record of `partition` that is polled is the one at `offset`. This and the following do nothing for a
    /// partition that is not assigned.
    pub fn seek(&mut self, partition: &TopicPartition, offset: Offset) {
        self.wish(partition, Wish::Seek(offset));
    }

    /// The next records of these that are polled are the first that there are.
    pub fn seek_to_beginning(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.wish(partition, Wish::BEGINNING);
        }
    }

    /// The next records of these that are polled are the first that come from now on.
    pub fn seek_to_end(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.wish(partition, Wish::END);
        }
    }

    /// Stops fetching these; their positions stay.
    pub fn pause(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.wish(partition, Wish::Pause);
        }
    }

    /// Fetches these again.
    pub fn resume(&mut self, partitions: &[TopicPartition]) {
        for partition in partitions {
            self.wish(partition, Wish::Resume);
        }
    }

    /// The offset of the next record that is polled.
    #[must_use]
    pub fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        self.shared.lock().position(self.client, partition)
    }

    /// How far the position is behind the high watermark, as of the last fetch. Records that close a trial count here,
    /// because the cluster does not distinguish them.
    #[must_use]
    pub fn lag(&self, partition: &TopicPartition) -> Option<u64> {
        let mut station = self.shared.lock();
        let id = station.partition_id(self.client, partition)?;
        station.consumer(self.client).lag(id)
    }

    fn wish(&mut self, partition: &TopicPartition, wish: Wish) {
        self.shared.lock().wish(self.client, partition, wish);
    }

    // ---- committing

    /// Commits the positions of all partitions, and waits for the end of that.
    ///
    /// # Errors
    /// With Kafka's error: REBALANCE_IN_PROGRESS, ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID and the like say that
    /// partitions have moved.
    pub async fn commit(&mut self) -> Result<(), CommitError> {
        self.commit_and_wait(None).await
    }

    /// Commits these positions, the next offsets to read, and waits for the end of that.
    ///
    /// # Errors
    /// As [`ConsumerClient::commit`].
    pub async fn commit_offsets(&mut self, offsets: &[(TopicPartition, Offset)]) -> Result<(), CommitError> {
        let positions = {
            let mut station = self.shared.lock();
            let of = |(partition, offset): &(TopicPartition, Offset)| {
                let id = station.partition_id(self.client, partition)?;
                Some((id, OffsetAndMetadata::at(*offset)))
            };
            offsets.iter().filter_map(of).collect()
        };
        self.commit_and_wait(Some(positions)).await
    }

    /// Commits the positions of all partitions by the way.
    pub fn commit_async(&mut self) {
        self.with(|consumer, now| consumer.commit(now, None));
    }

    async fn commit_and_wait(
        &mut self,
        offsets: Option<Vec<(types::TopicPartition, OffsetAndMetadata)>>,
    ) -> Result<(), CommitError> {
        let id = {
            let mut station = self.shared.lock();
            let now = station.local_time(self.client);
            let id = station.consumer(self.client).commit(now, offsets);
            station.watch_commit(self.client, id);
            station.touch(self.client);
            id
        };
        let error = poll_fn(|context| {
            let mut station = self.shared.lock();
            if let Some(end) = station.take_commit(self.client, id) {
                return Poll::Ready(end);
            }
            station.await_consumer(self.client, context.waker());
            Poll::Pending
        })
        .await;
        match error.is_ok() {
            true => Ok(()),
            false => Err(CommitError(error)),
        }
    }

    // ---- the rest

    /// Commits if it commits by itself, gives up all partitions in good order, and leaves its group.
    pub async fn close(self) {
        self.close_with(&mut ()).await;
    }

    /// The same, with a listener that is called on the last revocation.
    pub async fn close_with<L: RebalanceListener>(mut self, listener: &mut L) {
        if !self.has_group() {
            return;
        }
        self.with(|consumer, now| consumer.close(now));
        loop {
            let rebalance = poll_fn(|context| {
                if let Some(rebalance) = self.rebalance() {
                    return Poll::Ready(Some(rebalance));
                }
                let mut station = self.shared.lock();
                if station.consumer(self.client).is_closed() {
                    return Poll::Ready(None);
                }
                station.await_consumer(self.client, context.waker());
                Poll::Pending
            })
            .await;
            match rebalance {
                Some(rebalance) => self.notify(listener, rebalance).await,
                None => return,
            }
        }
    }

    /// Why it cannot stay in its group, and will not come back by itself: FENCED_INSTANCE_ID, GROUP_MAX_SIZE_REACHED
    /// and the like.
    #[must_use]
    pub fn failure(&self) -> Option<ErrorCode> {
        self.shared.lock().clients[self.client].consuming.failure
    }

    async fn notify<L: RebalanceListener>(&mut self, listener: &mut L, rebalance: Rebalance) {
        let (Rebalance::Revoked(of) | Rebalance::Lost(of) | Rebalance::Assigned(of)) = &rebalance;
        let partitions = self.shared.lock().partition_names(self.client, of);
        match &rebalance {
            Rebalance::Revoked(_) => listener.revoked(self, &partitions).await,
            Rebalance::Lost(_) => listener.lost(self, &partitions).await,
            Rebalance::Assigned(_) => listener.assigned(self, &partitions).await,
        }
        self.with(|consumer, now| consumer.rebalance_done(now));
    }

    fn has_group(&self) -> bool {
        self.shared.lock().clients[self.client].consuming.group.is_some()
    }

    fn rebalance(&self) -> Option<Rebalance> {
        self.shared.lock().consumer(self.client).rebalance().cloned()
    }

    /// What the library has for the program, if anything.
    fn take_records(&mut self) -> Option<Vec<ConsumerRecord>> {
        let mut station = self.shared.lock();
        let taken = station.take_records(self.client)?;
        let mut last: Option<(types::TopicPartition, TopicPartition)> = None;
        let named = taken.into_iter().map(|record| {
            let id = record.partition;
            let partition = match &last {
                Some((of, partition)) if *of == id => partition.clone(),
                _ => station.partition_name(self.client, id),
            };
            last = Some((id, partition.clone()));
            ConsumerRecord::new(partition, record)
        });
        Some(named.collect())
    }

    fn with<T>(&mut self, use_it: impl FnOnce(&mut Consumer, Now) -> T) -> T {
        let mut station = self.shared.lock();
        let now = station.local_time(self.client);
        let result = use_it(station.consumer(self.client), now);
        station.touch(self.client);
        result
    }
}
