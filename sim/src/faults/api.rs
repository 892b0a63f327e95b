//! The APIs whose messages faults can choose, by Kafka's names.

use broker_core::protocol::ApiKey;

use crate::nearest::nearest;
use crate::toml_file::reader::Value;

/// Every API that a message can belong to.
pub const APIS: [ApiKey; 23] = [
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::ListOffsets,
    ApiKey::OffsetForLeaderEpoch,
    ApiKey::Metadata,
    ApiKey::CreateTopics,
    ApiKey::InitProducerId,
    ApiKey::AllocateProducerIds,
    ApiKey::BrokerRegistration,
    ApiKey::BrokerHeartbeat,
    ApiKey::AlterPartition,
    ApiKey::Vote,
    ApiKey::BeginQuorumEpoch,
    ApiKey::EndQuorumEpoch,
    ApiKey::CreatePartitions,
    ApiKey::FindCoordinator,
    ApiKey::JoinGroup,
    ApiKey::SyncGroup,
    ApiKey::Heartbeat,
    ApiKey::LeaveGroup,
    ApiKey::ConsumerGroupHeartbeat,
    ApiKey::OffsetCommit,
    ApiKey::OffsetFetch,
];

/// Reads the name of an API.
pub(super) fn read(value: &Value<'_>) -> Option<ApiKey> {
    let name = value.text()?;
    let found = APIS.into_iter().find(|api| format!("{api:?}") == name);
    if found.is_none() {
        let names: Vec<String> = APIS.iter().map(|api| format!("{api:?}")).collect();
        let hint = match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known APIs: {}", names.join(", ")),
        };
        value.problem(format!("unknown API `{name}`"), hint);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_api_is_listed_twice() {
        let names: std::collections::BTreeSet<String> = APIS.iter().map(|api| format!("{api:?}")).collect();
        assert_eq!(names.len(), APIS.len());
    }
}
