//! What a voter must never forget: the `quorum-state` file.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::types::{LeaderEpoch, NodeId};

/// The epoch and the vote in it (KIP-595). Epochs never fall, and a vote never changes within one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct ElectionState {
    pub epoch: LeaderEpoch,
    pub voted_for: Option<NodeId>,
}

const VERSION: u8 = 0;
const CRC_SIZE: usize = 4;

impl ElectionState {
    /// Version, state, and the CRC-32C of both.
    pub fn encode(&self) -> Bytes {
        let mut bytes: Vec<u8> =
            postcard::to_allocvec(&(VERSION, self)).expect("numbers are always serialisable into memory");
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        bytes.into()
    }

    /// A missing or empty file is a node that has never voted.
    pub fn decode(stored: &Bytes) -> Result<ElectionState, String> {
        if stored.is_empty() {
            return Ok(ElectionState::default());
        }
        let Some(body) = stored.len().checked_sub(CRC_SIZE) else {
            return Err(format!("quorum-state has {} bytes only", stored.len()));
        };
        let (body, crc) = stored.split_at(body);
        if crc32c::crc32c(body).to_be_bytes() != crc {
            return Err("the checksum of quorum-state is wrong".into());
        }
        match postcard::from_bytes::<(u8, ElectionState)>(body) {
            Ok((VERSION, state)) => Ok(state),
            Ok((version, _)) => Err(format!("quorum-state has the unknown version {version}")),
            Err(error) => Err(format!("quorum-state is malformed: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_and_refuses_every_flipped_bit() {
        for state in [
            ElectionState::default(),
            ElectionState {
                epoch: LeaderEpoch(7),
                voted_for: Some(NodeId(3)),
            },
            ElectionState {
                epoch: LeaderEpoch(i32::MAX),
                voted_for: None,
            },
        ] {
            let bytes = state.encode();
            assert_eq!(ElectionState::decode(&bytes), Ok(state));
            for position in 0..bytes.len() {
                for bit in 0..8 {
                    let mut damaged = bytes.to_vec();
                    damaged[position] ^= 1 << bit;
                    assert!(ElectionState::decode(&damaged.into()).is_err());
                }
            }
            for length in 1..bytes.len() {
                assert!(ElectionState::decode(&bytes.slice(..length)).is_err(), "{length} bytes");
            }
        }
        assert_eq!(ElectionState::decode(&Bytes::new()), Ok(ElectionState::default()));
    }
}
