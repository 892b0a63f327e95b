//! Record batches, hashes and sizes are Kafka's, byte for byte.
//!
//! The tables lie beside this file: `record_format.batches` and `record_format.murmur2`. Batches that Kafka's own
//! builder could have made are also rebuilt and compared whole.

use broker_core::protocol::murmur2::{murmur2, partition_for_key};
use broker_core::protocol::record_batch::{CONTROL, LOG_APPEND_TIME, TRANSACTIONAL};
use broker_core::protocol::{BatchBuilder, CorruptBatch, Header, RecordBatch};
use broker_core::types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use bytes::Bytes;
use proptest::prelude::*;

const BATCHES: &str = include_str!("record_format.batches");
const HASHES: &str = include_str!("record_format.murmur2");

/// Batches of other programs, and those that no builder makes: the broker rewrote or emptied them.
const DECODED_ONLY: [&str; 7] = [
    "sarama-empty-record",
    "sarama-control-batch",
    "sarama-uncompressed-record",
    "kprs-FIRST_RECORD",
    "kprs-SECOND_RECORD",
    "logappendtime-2rec-lat=TS+1000",
    "empty-batch-header",
];

/// One row of the table of batches.
struct Golden {
    name: String,
    header: Vec<String>,
    crc_is_wrong: bool,
    records: Vec<GoldenRecord>,
    bytes: Vec<u8>,
}

struct GoldenRecord {
    timestamp_delta: i64,
    offset_delta: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<Header>,
}

impl Golden {
    fn number(&self, field: usize) -> i64 {
        let text = &self.header[field];
        match text.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).unwrap(),
            None => text.parse().unwrap(),
        }
    }

    fn attributes(&self) -> i16 {
        self.number(3) as i16
    }

    fn is_compressed(&self) -> bool {
        self.attributes() & 0x07 != 0
    }

    /// The batch as its makers meant it.
    fn with_right_crc(&self) -> Bytes {
        with_right_crc(self.bytes.clone())
    }
}

fn goldens() -> Vec<Golden> {
    let mut goldens: Vec<Golden> = Vec::new();
    for line in BATCHES.lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        match kind {
            "batch" => goldens.push(Golden {
                name: rest.to_owned(),
                header: Vec::new(),
                crc_is_wrong: false,
                records: Vec::new(),
                bytes: Vec::new(),
            }),
            "" | "#" | "legacy" => {}
            _ => {
                let golden = goldens.last_mut().expect("a batch begins with its name");
                match kind {
                    "header" => golden.header = rest.split(' ').map(str::to_owned).collect(),
                    "corrupt" => golden.crc_is_wrong = true,
                    "record" => golden.records.push(golden_record(rest)),
                    "bytes" => golden.bytes = hex(rest),
                    _ => panic!("unknown line: {line}"),
                }
            }
        }
    }
    goldens
}

fn golden_record(text: &str) -> GoldenRecord {
    let mut fields = text.split(' ');
    let mut next = || fields.next().expect("a record has four fields");
    GoldenRecord {
        timestamp_delta: next().parse().unwrap(),
        offset_delta: next().parse().unwrap(),
        key: field(next()),
        value: field(next()),
        headers: fields
            .map(|header| {
                let (key, value) = header.split_once('=').expect("a header has a value");
                Header {
                    key: field(key).expect("a header has a key").into(),
                    value: field(value).map(Bytes::from),
                }
            })
            .collect(),
    }
}

fn field(text: &str) -> Option<Vec<u8>> {
    (text != "null").then(|| hex(text.strip_prefix('x').expect("bytes begin with x")))
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

fn with_right_crc(mut bytes: Vec<u8>) -> Bytes {
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.into()
}

#[test]
fn headers_and_records_of_published_batches() {
    let goldens = goldens();
    assert_eq!(goldens.len(), 28);
    for golden in &goldens {
        let name = &golden.name;
        if golden.crc_is_wrong {
            let refused = RecordBatch::parse(&golden.bytes.clone().into());
            assert!(
                matches!(
                    refused,
                    Err(CorruptBatch::Crc {
                        expected: 0x6597_ffd0,
                        ..
                    })
                ),
                "{name}: {refused:?}"
            );
        } else {
            assert_eq!(golden.with_right_crc(), golden.bytes, "{name}");
        }
        let batch = RecordBatch::parse(&golden.with_right_crc()).expect(name);
        let header = [
            batch.base_offset().0,
            i64::from(batch.leader_epoch().0),
            i64::from(batch.attributes()),
            i64::from(batch.last_offset_delta()),
            batch.base_timestamp().0,
            batch.max_timestamp().0,
            batch.producer_id().0,
            i64::from(batch.producer_epoch().0),
            i64::from(batch.base_sequence().0),
            i64::from(batch.count()),
        ];
        let expected = [0, 1, 3, 4, 5, 6, 7, 8, 9, 10].map(|field| golden.number(field));
        assert_eq!(header, expected, "{name}");
        if !golden.crc_is_wrong {
            assert_eq!(format!("{:08x}", batch.crc()), golden.header[2], "{name}");
        }
        assert_eq!(batch.is_control(), golden.attributes() & CONTROL != 0, "{name}");
        assert_eq!(
            batch.is_transactional(),
            golden.attributes() & TRANSACTIONAL != 0,
            "{name}"
        );

        let records: Vec<_> = batch.records().collect();
        if golden.is_compressed() {
            let codec = golden.attributes() & 0x07;
            assert_eq!(records, [Err(CorruptBatch::Compressed(codec))], "{name}");
            continue;
        }
        assert_eq!(records.len(), golden.records.len(), "{name}");
        for (record, expected) in records.into_iter().zip(&golden.records) {
            let record = record.expect(name);
            let timestamp = if golden.attributes() & LOG_APPEND_TIME != 0 {
                golden.number(6)
            } else {
                golden.number(5) + expected.timestamp_delta
            };
            assert_eq!(record.offset.0, golden.number(0) + expected.offset_delta, "{name}");
            assert_eq!(record.timestamp.0, timestamp, "{name}");
            assert_eq!(record.key.as_deref(), expected.key.as_deref(), "{name}");
            assert_eq!(record.value.as_deref(), expected.value.as_deref(), "{name}");
            assert_eq!(record.headers, expected.headers, "{name}");
        }
    }
}

#[test]
fn batches_built_anew_are_the_published_bytes() {
    let mut decoded_only = Vec::new();
    let goldens = goldens();
    for golden in goldens.iter().filter(|golden| !golden.is_compressed()) {
        let name = golden.name.as_str();
        if DECODED_ONLY.contains(&name) {
            decoded_only.push(name);
            continue;
        }
        let mut builder = BatchBuilder::with_attributes(golden.attributes());
        for record in &golden.records {
            let timestamp = Timestamp(golden.number(5) + record.timestamp_delta);
            builder.push(
                timestamp,
                record.key.as_deref(),
                record.value.as_deref(),
                &record.headers,
            );
        }
        assert_eq!(builder.size(), golden.bytes.len() as u64, "{name}");
        let batch = builder
            .build()
            .with_producer(
                ProducerId(golden.number(7)),
                ProducerEpoch(golden.number(8) as i16),
                Sequence(golden.number(9) as i32),
            )
            .stamped(Offset(golden.number(0)), LeaderEpoch(golden.number(1) as i32));
        assert_eq!(batch.bytes(), &golden.with_right_crc(), "{name}");
    }
    assert_eq!(decoded_only, DECODED_ONLY);
}

#[test]
fn old_message_sets_are_refused_by_their_magic() {
    let mut rows = 0;
    for line in BATCHES.lines().filter_map(|line| line.strip_prefix("legacy ")) {
        let (magic, bytes) = line.split_once(' ').unwrap();
        let magic = magic.parse().unwrap();
        assert_eq!(RecordBatch::parse(&hex(bytes).into()), Err(CorruptBatch::Magic(magic)));
        rows += 1;
    }
    assert_eq!(rows, 8);
}

/// kafka-python's suite reads its batches from one buffer with a partial batch behind them.
#[test]
fn batches_one_after_the_other() {
    let mut buffer: Vec<u8> = goldens()[..4].iter().flat_map(|golden| golden.bytes.clone()).collect();
    buffer.extend([0; 4]);
    let mut rest = Bytes::from(buffer);
    let mut offsets = Vec::new();
    while let Ok(batch) = RecordBatch::parse(&rest) {
        offsets.push(batch.base_offset().0);
        rest = rest.slice(batch.size() as usize..);
    }
    assert_eq!(offsets, [0, 1, 3, 0]);
    assert_eq!(rest.len(), 4);
}

#[test]
fn bytes_that_are_no_batch() {
    use CorruptBatch::*;
    let good = goldens().remove(0).bytes;
    let changed = |at: usize, to: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + to.len()].copy_from_slice(to);
        bytes
    };
    // Last offset delta and record count lie inside the CRC.
    let counts = |last_offset_delta: i32, count: i32| {
        let mut bytes = changed(23, &last_offset_delta.to_be_bytes());
        bytes[57..61].copy_from_slice(&count.to_be_bytes());
        with_right_crc(bytes).to_vec()
    };
    let crc = |to: u32| Crc {
        expected: to,
        actual: 0x0318_a270,
    };
    for (what, bytes, error) in [
        ("nothing", vec![], Truncated { have: 0, need: 61 }),
        ("three bytes", vec![0; 3], Truncated { have: 3, need: 61 }),
        ("zeros", vec![0; 100], Length(0)),
        ("a length of 3", hex("000000000000000300000003000000"), Length(3)),
        ("a negative length", changed(8, &[0xff; 4]), Length(-1)),
        (
            "a length below the header's",
            changed(8, &48_i32.to_be_bytes()),
            Length(48),
        ),
        (
            "one byte too few",
            good[..70].to_vec(),
            Truncated { have: 70, need: 71 },
        ),
        (
            "a huge length",
            changed(8, &i32::MAX.to_be_bytes()),
            Truncated {
                have: 71,
                need: 12 + i32::MAX as usize,
            },
        ),
        ("magic 3", changed(16, &[3]), Magic(3)),
        ("another crc", changed(17, &[0; 4]), crc(0)),
        ("a negative offset", changed(0, &[0xff; 8]), Offsets),
        ("the last offset", changed(0, &i64::MAX.to_be_bytes()), Offsets),
        ("a negative last offset delta", counts(-1, 1), Offsets),
        ("more records than offsets", counts(0, 2), Offsets),
        ("a negative count", counts(0, -1), Offsets),
        ("more records than fit", counts(i32::MAX, i32::MAX), Records),
    ] {
        assert_eq!(RecordBatch::parse(&bytes.into()), Err(error), "{what}");
    }
}

#[test]
fn malformed_records() {
    // A batch of one record of 7 bytes: length, attributes, timestamp delta, offset delta, key, value, headers.
    let mut builder = BatchBuilder::new();
    builder.push(Timestamp(0), None, None, &[]);
    let good = builder.build().bytes().to_vec();
    assert_eq!(good.len(), 61 + 7);
    for (what, record) in [
        ("as built", "0c000000010100"),
        ("longer than its batch", "0e000000010100"),
        ("shorter than its content", "0a000000010100"),
        ("a negative length", "01000000010100"),
        ("offset delta 1 of 0", "0c000002010100"),
        ("offset delta -1", "0c000001010100"),
        ("a key behind the end", "0c000000040100"),
        ("a key of length -2", "0c000000030100"),
        ("a header that is not there", "0c000000010102"),
        ("a negative number of headers", "0c000000010101"),
        ("an endless varint", "ffffffffffffff"),
    ] {
        let mut bytes = good.clone();
        bytes[61..].copy_from_slice(&hex(record));
        let batch = RecordBatch::parse(&with_right_crc(bytes)).expect(what);
        let records: Vec<_> = batch.records().collect();
        if what == "as built" {
            assert!(matches!(records[..], [Ok(_)]), "{what}: {records:?}");
        } else {
            assert_eq!(records, [Err(CorruptBatch::Records)], "{what}");
        }
    }
    let mut long = good.clone();
    long.push(0);
    long[8..12].copy_from_slice(&57_i32.to_be_bytes());
    let records: Vec<_> = RecordBatch::parse(&with_right_crc(long)).unwrap().records().collect();
    assert!(
        matches!(records[..], [Ok(_), Err(CorruptBatch::Records)]),
        "{records:?}"
    );
}

#[test]
fn sizes_of_batches() {
    for (key, value, size) in [
        (None, 10, 78),
        (None, 64, 134),
        (None, 100, 170),
        (None, 1000, 1070),
        (None, 1024, 1094),
        (None, 10000, 10072),
        (None, 102400, 102472),
        (Some(0), 10, 78),
        (Some(0), 64, 134),
        (Some(0), 100, 170),
        (Some(0), 1000, 1070),
        (Some(0), 1024, 1094),
        (Some(0), 10000, 10072),
        (Some(0), 102400, 102472),
        (Some(8), 10, 86),
        (Some(8), 64, 142),
        (Some(8), 100, 178),
        (Some(8), 1000, 1078),
        (Some(8), 1024, 1102),
        (Some(8), 10000, 10080),
        (Some(8), 102400, 102480),
    ] {
        let key = key.map(|size| vec![0; size]);
        let mut builder = BatchBuilder::new();
        builder.push(Timestamp(0), key.as_deref(), Some(&vec![0; value]), &[]);
        assert_eq!(builder.build().size(), size, "{key:?} {value}");
    }
    for (count, size) in [
        (1, 170),
        (10, 1151),
        (64, 7037),
        (65, 7148),
        (100, 11033),
        (1000, 110_933),
        (8192, 909_245),
    ] {
        let mut builder = BatchBuilder::new();
        for index in 0..count {
            builder.push(Timestamp(index), None, Some(&[0; 100]), &[]);
        }
        assert_eq!(builder.build().size(), size, "{count} records");
    }
}

#[test]
fn keys_hash_as_in_kafka() {
    const PARTITIONS: [u32; 9] = [3, 6, 7, 10, 12, 17, 50, 100, 1000];
    let mut rows = 0;
    for line in HASHES.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split(' ').collect();
        let key = match fields[0] {
            "-" => Vec::new(),
            "81*1000" => vec![0x81; 1000],
            text => hex(text),
        };
        let hash: i32 = fields[1].parse().unwrap();
        assert_eq!(murmur2(&key), hash, "{line}");
        assert_eq!(format!("{hash:08x}"), fields[2], "{line}");
        for (partitions, expected) in PARTITIONS.iter().zip(&fields[3..]) {
            assert_eq!(partition_for_key(&key, *partitions).to_string(), *expected, "{line}");
        }
        rows += 1;
    }
    assert_eq!(rows, 38);
}

/// librdkafka, sarama and kafka-python publish these.
#[test]
fn keys_hash_as_in_other_clients() {
    const LONG: &str = "PreAmbleWillBeRemoved,ThePrePartThatIs";
    for (key, hash) in [
        ("kafka", 0xd067_cf64),
        ("giberish123456789", 0x8f55_2b0c),
        ("1234", 0x9fc9_7b14),
        ("234", 0xe7c0_09ca),
        ("34", 0x8739_30da),
        ("4", 0x5a4b_5ca1),
        (LONG, 0x7842_4f1c),
        (&LONG[1..], 0x4a62_b377),
        (&LONG[2..], 0xe0e4_e09e),
        (&LONG[3..], 0x62b8_b43f),
        ("", 0x106e_08d9_u32),
        ("foo", 597_841_616),
        ("bar", 988_958_145),
        ("baz", 1_973_573_280),
        ("sarama", 770_765_511),
        ("21", -973_932_308_i32 as u32),
        ("a-little-bit-long-string", -985_981_536_i32 as u32),
    ] {
        assert_eq!(murmur2(key.as_bytes()) as u32, hash, "{key}");
    }
    for (key, partitions, partition) in [
        ("a", 1000, 524),
        ("bar", 100, 45),
        ("hejsan", 17, 0x5ec1_9395 % 17),
        ("hejsan", 7, 0x5ec1_9395 % 7),
    ] {
        assert_eq!(partition_for_key(key.as_bytes(), partitions), partition, "{key}");
    }
}

#[test]
fn crc_is_castagnolis() {
    let ascending: Vec<u8> = (0..32).collect();
    let descending: Vec<u8> = (0..32).rev().collect();
    for (input, crc) in [
        (b"".as_slice(), 0),
        (b"a", 0xc1d0_4330),
        (b"123456789", 0xe306_9283),
        (b"Some String", 0x2445_290f),
        (b"The quick brown fox jumps over the lazy dog", 0x2262_0404),
        (&[0; 32], 0x8a91_36aa),
        (&[0xff; 32], 0x62a8_ab43),
        (&ascending, 0x46dd_794e),
        (&descending, 0x113f_db5c_u32),
    ] {
        assert_eq!(crc32c::crc32c(input), crc, "{input:02x?}");
    }
}

type Parts = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

fn parts() -> impl Strategy<Value = Parts> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..80);
    let headers = prop::collection::vec((bytes(), prop::option::of(bytes())), 0..3);
    let timestamp = prop_oneof![0..4_000_000_000_000_i64, any::<i64>()];
    (timestamp, prop::option::of(bytes()), prop::option::of(bytes()), headers)
}

proptest! {
    #[test]
    fn records_read_back(records in prop::collection::vec(parts(), 1..20), base in 0..1_i64 << 40, epoch: i32) {
        let mut builder = BatchBuilder::new();
        let mut expected = Vec::new();
        for (timestamp, key, value, headers) in records {
            let headers: Vec<Header> = headers
                .into_iter()
                .map(|(key, value)| Header { key: key.into(), value: value.map(Bytes::from) })
                .collect();
            let bound = builder.size_with(key.as_deref(), value.as_deref(), &headers);
            builder.push(Timestamp(timestamp), key.as_deref(), value.as_deref(), &headers);
            prop_assert!(builder.size() <= bound && bound <= builder.size() + 20);
            expected.push((Timestamp(timestamp), key, value, headers));
        }
        let batch = builder.build().stamped(Offset(base), LeaderEpoch(epoch));
        prop_assert_eq!(RecordBatch::parse(batch.bytes()), Ok(batch.clone()));
        prop_assert_eq!(batch.next_offset().0, base + expected.len() as i64);
        let read: Vec<_> = batch.records().collect::<Result<_, _>>().expect("well formed");
        prop_assert_eq!(read.len(), expected.len());
        for (index, (record, (timestamp, key, value, headers))) in read.into_iter().zip(expected).enumerate() {
            prop_assert_eq!(record.offset.0, base + index as i64);
            prop_assert_eq!(record.timestamp, timestamp);
            prop_assert_eq!(record.key.as_deref(), key.as_deref());
            prop_assert_eq!(record.value.as_deref(), value.as_deref());
            prop_assert_eq!(record.headers, headers);
        }
    }

    /// Whatever the bytes, reading them ends without a panic, and what parses has all of its fields in range.
    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_all(&bytes.into());
    }

    /// The same with bytes that get past the CRC.
    #[test]
    fn damaged_batches_do_no_harm(
        which in 0..28_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in 0..10_usize,
    ) {
        let mut bytes = goldens().remove(which).bytes;
        for (at, to) in damage {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        let kept = (bytes.len() - cut).max(61);
        bytes.truncate(kept);
        bytes[8..12].copy_from_slice(&(kept as i32 - 12).to_be_bytes());
        bytes[16] = 2;
        read_all(&with_right_crc(bytes));
    }

    /// One bit of anything but base offset and leader epoch is always noticed.
    #[test]
    fn a_flipped_bit_is_noticed(which in 0..28_usize, at: prop::sample::Index, bit in 0..8_u8) {
        let mut bytes = goldens().remove(which).with_right_crc().to_vec();
        let at = 8 + at.index(bytes.len() - 8);
        prop_assume!(!(12..16).contains(&at));
        bytes[at] ^= 1 << bit;
        prop_assert!(RecordBatch::parse(&bytes.into()).is_err());
    }
}

fn read_all(bytes: &Bytes) {
    let Ok(batch) = RecordBatch::parse(bytes) else { return };
    assert!(batch.next_offset() > batch.base_offset());
    let _any = (batch.last_sequence(), batch.max_timestamp(), format!("{batch:?}"));
    for record in batch.records().flatten() {
        assert!(record.offset >= batch.base_offset() && record.offset <= batch.last_offset());
    }
}
