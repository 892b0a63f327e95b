//! Settings under Kafka's own keys, with the defaults of Kafka 4.1.
//!
//! Times are milliseconds and sizes bytes, as in Kafka. A file that names an unknown key is refused.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

mod auto_offset_reset;
mod setting;

pub use auto_offset_reset::{AutoOffsetReset, UnknownReset};
use setting::Typed;
pub use setting::{Setting, SettingType};

/// Kafka's "for ever" and "never": `Long.MAX_VALUE`.
pub const NEVER: u64 = i64::MAX as u64;

macro_rules! config {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $meaning:literal])* $field:ident: $type:ty = $default:expr, $key:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $meaning])* #[doc = concat!("\n\nKafka's `", $key, "`.")] #[serde(rename = $key)] pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $($field: $default,)* }
            }
        }

        impl $name {
            /// Every key that a file may set.
            pub const KEYS: &'static [&'static str] = &[$($key,)*];

            /// The same with their types and meanings.
            pub const SETTINGS: &'static [Setting] = &[$(Setting {
                key: $key,
                takes: <$type as Typed>::TYPE,
                meaning: concat!($($meaning),*).trim_ascii(),
            },)*];
        }
    };
}

config! {
    /// Settings of a node: broker, controller or both.
    BrokerConfig {
        /// A follower that has not caught up for this long leaves the ISR.
        replica_lag_time_max_ms: u64 = 30_000, "replica.lag.time.max.ms";
        /// How long a leader holds a follower's fetch that finds nothing.
        replica_fetch_wait_max_ms: u64 = 500, "replica.fetch.wait.max.ms";
        /// The bytes that end the wait of a follower's fetch.
        replica_fetch_min_bytes: u32 = 1, "replica.fetch.min.bytes";
        /// At most this many bytes per partition in a follower's fetch.
        replica_fetch_max_bytes: u32 = 1_048_576, "replica.fetch.max.bytes";
        /// At most this many bytes in the answer to a follower's fetch.
        replica_fetch_response_max_bytes: u32 = 10_485_760, "replica.fetch.response.max.bytes";
        /// How long a follower waits after a failed fetch.
        replica_fetch_backoff_ms: u64 = 1_000, "replica.fetch.backoff.ms";
        /// How long a follower waits for the answer to a fetch.
        replica_socket_timeout_ms: u64 = 30_000, "replica.socket.timeout.ms";
        /// How long a broker waits for an answer of the controller.
        controller_socket_timeout_ms: u64 = 30_000, "controller.socket.timeout.ms";
        /// How often high watermarks are written to the checkpoint file.
        replica_high_watermark_checkpoint_interval_ms: u64 = 5_000, "replica.high.watermark.checkpoint.interval.ms";
        /// How often a broker reports to the controller that it is alive.
        broker_heartbeat_interval_ms: u64 = 2_000, "broker.heartbeat.interval.ms";
        /// A broker silent for longer is fenced by the controller.
        broker_session_timeout_ms: u64 = 9_000, "broker.session.timeout.ms";
        /// Whether a broker that is asked to stop first lets the controller move its leaderships away.
        controlled_shutdown_enable: bool = true, "controlled.shutdown.enable";
        /// A voter that waits longer than this (times 1 to 2) for a vote to end stands again.
        controller_quorum_election_timeout_ms: u64 = 1_000, "controller.quorum.election.timeout.ms";
        /// A voter that gets nothing from the leader for this long stands; a leader that gets nothing from a majority
        /// for 1.5 times this resigns.
        controller_quorum_fetch_timeout_ms: u64 = 2_000, "controller.quorum.fetch.timeout.ms";
        /// The longest random pause before standing again.
        controller_quorum_election_backoff_max_ms: u64 = 1_000, "controller.quorum.election.backoff.max.ms";
        /// How long a quorum request waits for its answer.
        controller_quorum_request_timeout_ms: u64 = 2_000, "controller.quorum.request.timeout.ms";
        /// The pause after a failed quorum request.
        controller_quorum_retry_backoff_ms: u64 = 20, "controller.quorum.retry.backoff.ms";
        /// How often an idle active controller writes a no-op record, so that followers see progress.
        metadata_max_idle_interval_ms: u64 = 500, "metadata.max.idle.interval.ms";
        /// How long a connection may take to be established; twice as long after each failure (KIP-601).
        socket_connection_setup_timeout_ms: u64 = 10_000, "socket.connection.setup.timeout.ms";
        /// The longest that becomes.
        socket_connection_setup_timeout_max_ms: u64 = 30_000, "socket.connection.setup.timeout.max.ms";
        /// A connection that a peer has opened is closed without use for so long.
        connections_max_idle_ms: u64 = 600_000, "connections.max.idle.ms";
        /// The largest record batch that is accepted: the default of topics.
        message_max_bytes: u32 = 1_048_588, "message.max.bytes";
        /// `acks=all` is refused while the ISR is smaller: the default of topics.
        min_insync_replicas: u32 = 1, "min.insync.replicas";
        /// A segment of this size is closed and a new one begun: the default of topics.
        log_segment_bytes: u64 = 1_073_741_824, "log.segment.bytes";
        /// A flush is forced after this many records: the default of topics.
        log_flush_interval_messages: u64 = NEVER, "log.flush.interval.messages";
        /// Whether a replica outside the ISR may be elected when nothing else is left: the default of topics.
        unclean_leader_election_enable: bool = false, "unclean.leader.election.enable";
        /// The largest answer to a fetch.
        fetch_max_bytes: u32 = 57_671_680, "fetch.max.bytes";
        /// How many fetch sessions a broker remembers; readers beyond name all their partitions in each fetch.
        max_incremental_fetch_session_cache_slots: u32 = 1_000, "max.incremental.fetch.session.cache.slots";
        /// How many bytes of the newest batches of each partition stay in memory; older ones are read from the disk.
        log_tail_cache_bytes: u64 = 4_194_304, "log.tail.cache.bytes";
        /// How many partitions the topic of groups and their offsets gets.
        offsets_topic_num_partitions: u32 = 50, "offsets.topic.num.partitions";
        /// How many replicas each partition of the topic of groups and their offsets gets.
        offsets_topic_replication_factor: u16 = 3, "offsets.topic.replication.factor";
        /// A segment of the topic of groups and their offsets is closed at this size and a new one begun.
        offsets_topic_segment_bytes: u64 = 104_857_600, "offsets.topic.segment.bytes";
        /// How long a coordinator waits for replicas to get what it wrote.
        offsets_commit_timeout_ms: u64 = 5_000, "offsets.commit.timeout.ms";
        /// How long the offsets of an empty group are kept.
        offsets_retention_minutes: u64 = 10_080, "offsets.retention.minutes";
        /// How often offsets that are too old are looked for.
        offsets_retention_check_interval_ms: u64 = 600_000, "offsets.retention.check.interval.ms";
        /// The longest word that may be stored with an offset.
        offset_metadata_max_bytes: u32 = 4_096, "offset.metadata.max.bytes";
        /// The shortest session timeout of a classic member.
        group_min_session_timeout_ms: u64 = 6_000, "group.min.session.timeout.ms";
        /// The longest session timeout of a classic member.
        group_max_session_timeout_ms: u64 = 1_800_000, "group.max.session.timeout.ms";
        /// How long an empty classic group waits for more members after the first.
        group_initial_rebalance_delay_ms: u64 = 3_000, "group.initial.rebalance.delay.ms";
        /// The most members of a classic group.
        group_max_size: u32 = i32::MAX as u32, "group.max.size";
        /// A member of the consumer protocol that is silent for longer is fenced.
        group_consumer_session_timeout_ms: u64 = 45_000, "group.consumer.session.timeout.ms";
        /// How often members of the consumer protocol send heartbeats.
        group_consumer_heartbeat_interval_ms: u64 = 5_000, "group.consumer.heartbeat.interval.ms";
        /// The most members of a group of the consumer protocol.
        group_consumer_max_size: u32 = i32::MAX as u32, "group.consumer.max.size";
        /// Which way groups with members in them may change their protocol.
        group_consumer_migration_policy: MigrationPolicy = MigrationPolicy::Bidirectional, "group.consumer.migration.policy";
    }
}

config! {
    /// Settings of a topic.
    #[derive(Hash, Eq)]
    TopicConfig {
        /// `acks=all` is refused while the ISR is smaller.
        min_insync_replicas: u32 = 1, "min.insync.replicas";
        /// A segment of this size is closed and a new one begun.
        segment_bytes: u64 = 1_073_741_824, "segment.bytes";
        /// A flush is forced after this many records; 1 flushes each batch before it counts as written.
        flush_messages: u64 = NEVER, "flush.messages";
        /// The largest record batch that is accepted.
        max_message_bytes: u32 = 1_048_588, "max.message.bytes";
        /// Whether a replica outside the ISR may be elected when nothing else is left.
        unclean_leader_election_enable: bool = false, "unclean.leader.election.enable";
    }
}

impl BrokerConfig {
    /// What a topic has that says nothing of its own.
    #[must_use]
    pub fn topic_defaults(&self) -> TopicConfig {
        TopicConfig {
            min_insync_replicas: self.min_insync_replicas,
            segment_bytes: self.log_segment_bytes,
            flush_messages: self.log_flush_interval_messages,
            max_message_bytes: self.message_max_bytes,
            unclean_leader_election_enable: self.unclean_leader_election_enable,
        }
    }
}

/// The producer's `acks` setting, by Kafka's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
pub enum AcksSetting {
    /// Fire and forget.
    #[serde(rename = "0")]
    None,
    /// The leader only.
    #[serde(rename = "1")]
    Leader,
    /// All in-sync replicas.
    #[serde(rename = "all", alias = "-1")]
    All,
}

config! {
    /// Settings of a producer.
    ProducerConfig {
        /// When a send counts as done.
        acks: AcksSetting = AcksSetting::All, "acks";
        /// A batch of this size is sent at once.
        batch_size: u32 = 16_384, "batch.size";
        /// How long a batch waits for more records.
        linger_ms: u64 = 5, "linger.ms";
        /// A send that has no answer after this long has failed.
        delivery_timeout_ms: u64 = 120_000, "delivery.timeout.ms";
        /// How long a request waits for its answer.
        request_timeout_ms: u64 = 30_000, "request.timeout.ms";
        /// How often a batch is sent again.
        retries: u32 = i32::MAX as u32, "retries";
        /// The first pause before a retry; it doubles.
        retry_backoff_ms: u64 = 100, "retry.backoff.ms";
        /// The longest pause before a retry.
        retry_backoff_max_ms: u64 = 1_000, "retry.backoff.max.ms";
        /// Whether the broker drops duplicates of retries (KIP-98).
        enable_idempotence: bool = true, "enable.idempotence";
        /// How many requests to one broker may be unanswered.
        max_in_flight_requests_per_connection: u32 = 5, "max.in.flight.requests.per.connection";
        /// Whether records without a key go less often to partitions for which more batches wait (KIP-794).
        partitioner_adaptive_partitioning_enable: bool = true, "partitioner.adaptive.partitioning.enable";
        /// With batches waiting for this long for a broker that takes none, its partitions are left out for records without a
        /// key (KIP-794, with adaptive partitioning); 0: never.
        partitioner_availability_timeout_ms: u64 = 0, "partitioner.availability.timeout.ms";
        /// Whether records with a key are spread as those without one are (KIP-794).
        partitioner_ignore_keys: bool = false, "partitioner.ignore.keys";
        /// The largest request.
        max_request_size: u32 = 1_048_576, "max.request.size";
        /// The most bytes of records that wait to be sent.
        buffer_memory: u64 = 33_554_432, "buffer.memory";
        /// How long a send waits for metadata or for room in the buffer.
        max_block_ms: u64 = 60_000, "max.block.ms";
        /// Metadata older than this is asked for again.
        metadata_max_age_ms: u64 = 300_000, "metadata.max.age.ms";
        /// The first pause before a connection is tried again; it doubles.
        reconnect_backoff_ms: u64 = 50, "reconnect.backoff.ms";
        /// The longest pause before a connection is tried again.
        reconnect_backoff_max_ms: u64 = 1_000, "reconnect.backoff.max.ms";
        /// What it calls itself in its requests: `producer`, unless it is set.
        client_id: Option<String> = None, "client.id";
        /// How long a connection may take to be established; twice as long after each failure (KIP-601).
        socket_connection_setup_timeout_ms: u64 = 10_000, "socket.connection.setup.timeout.ms";
        /// The longest that becomes.
        socket_connection_setup_timeout_max_ms: u64 = 30_000, "socket.connection.setup.timeout.max.ms";
        /// A connection without use for so long is closed.
        connections_max_idle_ms: u64 = 540_000, "connections.max.idle.ms";
    }
}

/// Which way a group with members in it may change its protocol (KIP-848).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrationPolicy {
    /// Neither.
    Disabled,
    /// From the consumer protocol to the classic one, when the last member of the consumer protocol goes.
    Downgrade,
    /// From the classic protocol to the consumer one, when the first member of that joins.
    Upgrade,
    /// Both.
    Bidirectional,
}

impl MigrationPolicy {
    /// Whether a classic group may become one of the consumer protocol.
    #[must_use]
    pub fn allows_upgrade(self) -> bool {
        matches!(self, MigrationPolicy::Upgrade | MigrationPolicy::Bidirectional)
    }

    /// Whether a group of the consumer protocol may become a classic one.
    #[must_use]
    pub fn allows_downgrade(self) -> bool {
        matches!(self, MigrationPolicy::Downgrade | MigrationPolicy::Bidirectional)
    }
}

/// Which protocol a consumer in a group speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupProtocol {
    /// Members join, and one of them assigns.
    Classic,
    /// Members send heartbeats, and the coordinator assigns (KIP-848).
    Consumer,
}

config! {
    /// Settings of a consumer.
    ConsumerConfig {
        /// Where a consumer without a valid position begins.
        auto_offset_reset: AutoOffsetReset = AutoOffsetReset::Latest, "auto.offset.reset";
        /// The group that it subscribes in.
        group_id: Option<String> = None, "group.id";
        /// Makes it a static member: a restart within the session timeout moves no partitions (KIP-345).
        group_instance_id: Option<String> = None, "group.instance.id";
        /// Which protocol it speaks with the coordinator.
        group_protocol: GroupProtocol = GroupProtocol::Classic, "group.protocol";
        /// The server-side assignor that it asks for (consumer protocol): `uniform` or `range`.
        group_remote_assignor: Option<String> = None, "group.remote.assignor";
        /// The assignors that it supports, best first (classic protocol).
        partition_assignment_strategy: Vec<String> =
            alloc::vec!["range".into(), "cooperative-sticky".into()], "partition.assignment.strategy";
        /// A member that is silent for longer is dropped (classic protocol).
        session_timeout_ms: u64 = 45_000, "session.timeout.ms";
        /// How often it reports to the coordinator that it is alive (classic protocol).
        heartbeat_interval_ms: u64 = 3_000, "heartbeat.interval.ms";
        /// A member whose application does not poll for so long leaves the group.
        max_poll_interval_ms: u64 = 300_000, "max.poll.interval.ms";
        /// Whether polls commit, from time to time, the positions that earlier polls led to.
        enable_auto_commit: bool = true, "enable.auto.commit";
        /// How often positions are committed with `enable.auto.commit`.
        auto_commit_interval_ms: u64 = 5_000, "auto.commit.interval.ms";
        /// How long a call that waits for brokers, such as a commit, tries before it fails.
        default_api_timeout_ms: u64 = 60_000, "default.api.timeout.ms";
        /// The most records that one poll returns.
        max_poll_records: u32 = 500, "max.poll.records";
        /// The bytes that end a broker's wait for more in a fetch.
        fetch_min_bytes: u32 = 1, "fetch.min.bytes";
        /// The most bytes of one fetch.
        fetch_max_bytes: u32 = 52_428_800, "fetch.max.bytes";
        /// How long a broker waits for `fetch.min.bytes`.
        fetch_max_wait_ms: u64 = 500, "fetch.max.wait.ms";
        /// The most bytes of one partition in one fetch.
        max_partition_fetch_bytes: u32 = 1_048_576, "max.partition.fetch.bytes";
        /// How long a request waits for its answer.
        request_timeout_ms: u64 = 30_000, "request.timeout.ms";
        /// The first pause before a retry; it doubles.
        retry_backoff_ms: u64 = 100, "retry.backoff.ms";
        /// The longest pause before a retry.
        retry_backoff_max_ms: u64 = 1_000, "retry.backoff.max.ms";
        /// Metadata older than this is asked for again.
        metadata_max_age_ms: u64 = 300_000, "metadata.max.age.ms";
        /// The first pause before a connection is tried again; it doubles.
        reconnect_backoff_ms: u64 = 50, "reconnect.backoff.ms";
        /// The longest pause before a connection is tried again.
        reconnect_backoff_max_ms: u64 = 1_000, "reconnect.backoff.max.ms";
        /// What it calls itself in its requests: `consumer`, unless it is set. A member of a classic group is named after it.
        client_id: Option<String> = None, "client.id";
        /// How long a connection may take to be established; twice as long after each failure (KIP-601).
        socket_connection_setup_timeout_ms: u64 = 10_000, "socket.connection.setup.timeout.ms";
        /// The longest that becomes.
        socket_connection_setup_timeout_max_ms: u64 = 30_000, "socket.connection.setup.timeout.max.ms";
        /// A connection without use for so long is closed.
        connections_max_idle_ms: u64 = 540_000, "connections.max.idle.ms";
    }
}

/// A setting in milliseconds as a duration.
#[must_use]
pub fn millis(setting: u64) -> Duration {
    Duration::from_millis(setting)
}

/// A setting in milliseconds as requests carry it.
#[must_use]
pub fn wire_millis(setting: u64) -> u32 {
    u32::try_from(setting).unwrap_or(u32::MAX)
}

macro_rules! quirks {
    ($($(#[$doc:meta])* $field:ident = $name:literal, $mechanism:literal;)*) => {
        /// Deliberate defects, all off: each is a mistake that a real system once had, kept to prove that the
        /// checkers find it. The plain code path is always the correct one.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
        pub struct Quirks { $($(#[$doc])* pub $field: bool,)* }

        impl Quirks {
            /// Name and mechanism of every quirk.
            pub const ALL: &'static [(&'static str, &'static str)] = &[$(($name, $mechanism),)*];

            /// Turns on the quirk called `name`.
            ///
            /// # Errors
            /// When there is none of that name.
            pub fn enable(&mut self, name: &str) -> Result<(), UnknownQuirk> {
                match name {
                    $($name => self.$field = true,)*
                    _ => return Err(UnknownQuirk(name.into())),
                }
                Ok(())
            }
        }
    };
}

/// There is no quirk of this name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown quirk `{0}`")]
pub struct UnknownQuirk(pub String);

quirks! {
    /// KIP-101 undone.
    truncate_to_high_watermark = "truncate-to-high-watermark",
        "a new follower cuts its log at its own high watermark instead of asking the leader where the epochs part (KIP-101 undone)";
    /// `acks=all` that asks nobody.
    ack_before_isr = "ack-before-isr",
        "a leader answers an acks=all produce once its own log has the batch, without waiting for the ISR";
    /// Zoo 45.
    zombie_offset_commit = "zombie-offset-commit",
        "the coordinator stores offsets without looking at the committer's member id and generation";
    /// Zoo 46.
    two_owners_one_epoch = "two-owners-one-epoch",
        "the coordinator hands out a partition on the new owner's word, before the old owner has released it (KAFKA-16147)";
    /// Zoo 47.
    relaxed_commit_check = "relaxed-commit-check",
        "the coordinator takes commits of any earlier epoch of a member (KAFKA-19779)";
    /// Zoo 48.
    static_member_id_in_memory = "static-member-id-in-memory",
        "the new member id of a static member that came back is not written to the log, so the next coordinator fences it (KAFKA-10284)";
    /// Zoo 49.
    group_load_partial_state = "group-load-partial-state",
        "a coordinator answers while it is still loading, from what it has read so far (KAFKA-5600)";
    /// Zoo 50.
    rebalance_waits_for_ever = "rebalance-waits-for-ever",
        "no timer runs for members that joined but never sync (KAFKA-12890)";
    /// Zoo 52.
    sequence_reset_on_metadata_loss = "sequence-reset-on-metadata-loss",
        "a producer that loses a topic from its metadata for a while begins its sequences again, and the broker takes new data for a duplicate (librdkafka 1.9.0)";
    /// Zoo 53.
    sequence_burned_for_unsent = "sequence-burned-for-unsent",
        "a producer spends sequence numbers on batches that it then never sends (sarama)";
    /// Zoo 54.
    inflight_accounting = "inflight-accounting",
        "a producer forgets requests in flight when a connection breaks, and sends later batches past them (KAFKA-8483)";
    /// Zoo 56.
    buffer_reused_in_flight = "buffer-reused-in-flight",
        "a producer reuses the buffer of an expired batch whose request is still on its way (KAFKA-19012)";
    /// Zoo 57.
    flush_misses_split_batch = "flush-misses-split-batch",
        "a flush that meets a batch too large reports its halves as sent (KAFKA-19479)";
    /// Zoo 58.
    prefetch_autocommit = "prefetch-autocommit",
        "auto-commit stores the end of what was fetched ahead, not of what was polled (KAFKA-2942)";
    /// Zoo 60.
    reset_on_transient_error = "reset-on-transient-error",
        "a consumer resets its position on an error that a retry would have cured (librdkafka)";
}
