//! The durability contract between a machine and its disk.
//!
//! - Operations on one file take effect in the order in which they were asked; files are unordered
//!   among themselves.
//! - A [`DiskOp::Write`] is in the page cache once the host has taken it: a killed process loses
//!   nothing of it, a power loss may lose it, keep it, or keep some of its sectors.
//! - [`DiskOp::Sync`] makes all earlier writes of the file durable, and the file's name. Only its
//!   success says so. A failed one proves nothing about earlier writes (KAFKA-style "fsyncgate"): the
//!   log goes offline.
//! - A removed file does not come back once any later `Sync` of its folder's files has succeeded. A file that is written
//!   under its name is another one: a power loss leaves the old file or the new one, never bytes of both.
//! - [`DiskOp::Replace`] is atomic and, once answered, durable: after a power loss the file has all of
//!   the old content or all of the new.
//! - A sector is 512 bytes; a sector is written whole or not at all.
//!
//! Every operation that fails is answered. Of those that succeed, `List`, `Read`, `Sync` and `Replace`
//! are answered; `Write`, `Truncate` and `Remove` are not, since nothing waits for them.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use bytes::Bytes;

use crate::types::{Offset, PartitionIndex, TopicPartition};

/// Bytes that are written whole or not at all.
pub const SECTOR: u64 = 512;

/// Names one disk operation of a machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct OpId(pub u64);

/// A file of a node. `Display` gives its path below the node's data folder, `FromStr` reads it back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// `quorum-state`: epoch, vote and leader of the metadata quorum.
    QuorumState,
    /// `replication-offset-checkpoint`: the high watermark of every partition, a hint.
    HighWatermarkCheckpoint,
    /// `<partition>/<base offset, 20 digits>.log`: record batches, one after the other.
    Segment {
        /// Whose log.
        partition: TopicPartition,
        /// The offset of the first record that the segment may hold.
        base_offset: Offset,
    },
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::QuorumState => f.write_str("quorum-state"),
            FileName::HighWatermarkCheckpoint => f.write_str("replication-offset-checkpoint"),
            FileName::Segment { partition, base_offset } => write!(f, "{partition}/{:020}.log", base_offset.0),
        }
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The path is not one that [`FileName`] writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a file of a broker's data folder")]
pub struct UnknownFile;

impl FromStr for FileName {
    type Err = UnknownFile;

    fn from_str(path: &str) -> Result<FileName, UnknownFile> {
        match path {
            "quorum-state" => return Ok(FileName::QuorumState),
            "replication-offset-checkpoint" => return Ok(FileName::HighWatermarkCheckpoint),
            _ => {}
        }
        let (folder, file) = path.split_once('/').ok_or(UnknownFile)?;
        let base = file.strip_suffix(".log").ok_or(UnknownFile)?;
        if base.len() != 20 || !base.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(UnknownFile);
        }
        let partition = if folder == "__cluster_metadata-0" {
            TopicPartition::CLUSTER_METADATA
        } else {
            let (topic, index) = folder.rsplit_once('-').ok_or(UnknownFile)?;
            TopicPartition {
                topic: topic.parse().map_err(|_| UnknownFile)?,
                partition: PartitionIndex(index.parse().map_err(|_| UnknownFile)?),
            }
        };
        Ok(FileName::Segment {
            partition,
            base_offset: Offset(base.parse().map_err(|_| UnknownFile)?),
        })
    }
}

/// What a machine asks of its disk. Positions and lengths in bytes.
#[derive(Clone, Debug, Hash)]
pub enum DiskOp {
    /// Which files are there, and how long are they? Answered by [`DiskReply::Files`].
    List,
    /// Up to `len` bytes from `at`; fewer at the end of the file. Answered by [`DiskReply::Data`].
    Read {
        /// The file; a missing one reads as empty.
        file: FileName,
        /// Where to begin.
        at: u64,
        /// How much at the most.
        len: u64,
    },
    /// Puts `bytes` at `at`, which is never past the end of the file; creates the file.
    Write {
        /// The file.
        file: FileName,
        /// Where.
        at: u64,
        /// What.
        bytes: Bytes,
    },
    /// Makes all earlier writes of the file durable. Answered by [`DiskReply::Done`].
    Sync {
        /// The file.
        file: FileName,
    },
    /// Cuts the file to `len` bytes. Durable with the next `Sync`.
    Truncate {
        /// The file.
        file: FileName,
        /// Its new length, at most the old one.
        len: u64,
    },
    /// Replaces the whole content, atomically and durably. Answered by [`DiskReply::Done`].
    Replace {
        /// The file.
        file: FileName,
        /// Its new content.
        bytes: Bytes,
    },
    /// Removes the file, if it is there.
    Remove {
        /// The file.
        file: FileName,
    },
}

/// How an operation succeeded.
#[derive(Clone, Debug, Hash)]
pub enum DiskReply {
    /// The files and their lengths in bytes, ordered by name.
    Files(Vec<(FileName, u64)>),
    /// What was read.
    Data(Bytes),
    /// It is done.
    Done,
}

/// How an operation failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum DiskError {
    /// The device failed (EIO).
    #[error("input/output error")]
    Io,
    /// No space is left (ENOSPC).
    #[error("no space left on the device")]
    NoSpace,
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::types::TopicId;

    #[test]
    fn paths_read_back() {
        let partition = TopicPartition::new(TopicId(100), 3);
        for (name, path) in [
            (FileName::QuorumState, "quorum-state"),
            (FileName::HighWatermarkCheckpoint, "replication-offset-checkpoint"),
            (
                FileName::Segment {
                    partition,
                    base_offset: Offset(42),
                },
                "AAAAAAAAAAAAAAAAAAAAZA-3/00000000000000000042.log",
            ),
            (
                FileName::Segment {
                    partition: TopicPartition::CLUSTER_METADATA,
                    base_offset: Offset(0),
                },
                "__cluster_metadata-0/00000000000000000000.log",
            ),
        ] {
            assert_eq!(name.to_string(), path);
            assert_eq!(path.parse(), Ok(name));
        }
        for path in [
            "",
            "x",
            "AAAAAAAAAAAAAAAAAAAAZA-0/1.log",
            "-0/00000000000000000042.log",
            "AAAAAAAAAAAAAAAAAAAAZA-0/0000000000000000004x.log",
        ] {
            assert_eq!(path.parse::<FileName>(), Err(UnknownFile), "{path}");
        }
    }
}
