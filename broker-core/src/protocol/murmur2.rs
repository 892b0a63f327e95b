//! The hash of Kafka's default partitioner (`Utils.murmur2`, `BuiltInPartitioner.partitionForKey`).

/// murmur2 of `data` with Kafka's seed, as Java's signed number.
#[must_use]
pub fn murmur2(_data: &[u8]) -> i32 {
    todo!()
}

/// The partition of a record with this key among `partitions` (at least 1).
#[must_use]
pub fn partition_for_key(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) as u32 & 0x7fff_ffff) % partitions
}
