//! Readers' questions about a log: which offset is the earliest, the latest, the first at a time, and where an epoch ends.

use crate::machine::{Context, ReplyTo};
use crate::protocol::{
    ErrorCode, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, OffsetSpec,
};
use crate::replica::partition::Partition;
use crate::replica::{Replicas, led};
use crate::types::{EpochEndOffset, LeaderEpoch, Offset, Timestamp, TopicPartition};

impl Replicas {
    /// Looks up offsets. A new leader answers "latest" only once its high watermark has reached its epoch (KIP-207).
    pub fn on_list_offsets(&mut self, ctx: &mut Context<'_>, reply_to: ReplyTo, request: &ListOffsetsRequest) {
        let look_up = |(id, epoch, spec): &(TopicPartition, Option<LeaderEpoch>, OffsetSpec)| match offset_of(
            self.partitions.get(id),
            *epoch,
            *spec,
        ) {
            Ok((found, timestamp, leader_epoch)) => ListOffsetsPartitionResponse {
                partition: *id,
                error: ErrorCode::None,
                offset: found,
                timestamp,
                leader_epoch,
            },
            Err(error) => ListOffsetsPartitionResponse {
                partition: *id,
                error,
                offset: None,
                timestamp: Timestamp::NONE,
                leader_epoch: None,
            },
        };
        let partitions = request.partitions.iter().map(look_up).collect();
        ctx.out.respond(reply_to, ListOffsetsResponse { partitions }.into());
    }

    /// Answers where leader epochs end.
    pub fn on_offset_for_leader_epoch(
        &mut self,
        ctx: &mut Context<'_>,
        reply_to: ReplyTo,
        request: &OffsetForLeaderEpochRequest,
    ) {
        let look_up = |(id, believed, epoch): &(TopicPartition, Option<LeaderEpoch>, LeaderEpoch)| match epoch_end_of(
            self.partitions.get(id),
            *believed,
            *epoch,
        ) {
            Ok(end) => (*id, ErrorCode::None, end),
            Err(error) => (*id, error, None),
        };
        let partitions = request.partitions.iter().map(look_up).collect();
        ctx.out
            .respond(reply_to, OffsetForLeaderEpochResponse { partitions }.into());
    }
}

type FoundOffset = (Option<Offset>, Timestamp, Option<LeaderEpoch>);

fn offset_of(
    partition: Option<&Partition>,
    epoch: Option<LeaderEpoch>,
    spec: OffsetSpec,
) -> Result<FoundOffset, ErrorCode> {
    let partition = led(partition, epoch)?;
    let high_watermark = partition.high_watermark();
    let epoch_start = partition.epoch_start_offset();
    if spec != OffsetSpec::Earliest && epoch_start.is_some_and(|start| high_watermark < start) {
        return Err(ErrorCode::OffsetNotAvailable);
    }
    let log = partition.log();
    Ok(match spec {
        OffsetSpec::Earliest => {
            let start = log.log_start_offset();
            (Some(start), Timestamp::NONE, log.epoch_for_offset(start))
        }
        OffsetSpec::Latest => (Some(high_watermark), Timestamp::NONE, Some(partition.leader_epoch())),
        OffsetSpec::AtTimestamp(timestamp) => match log.offset_for_timestamp(timestamp, high_watermark) {
            Some((offset, timestamp)) => (Some(offset), timestamp, log.epoch_for_offset(offset)),
            None => (None, Timestamp::NONE, None),
        },
    })
}

fn epoch_end_of(
    partition: Option<&Partition>,
    believed: Option<LeaderEpoch>,
    epoch: LeaderEpoch,
) -> Result<Option<EpochEndOffset>, ErrorCode> {
    Ok(led(partition, believed)?.log().end_offset_for(epoch))
}
