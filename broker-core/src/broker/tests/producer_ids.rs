//! Producer ids for clients.

use super::*;
use crate::protocol::InitProducerIdRequest;
use crate::types::{ProducerEpoch, ProducerId};

/// Whoever asks gets an id that nobody had, also who says that it has one: a next epoch of that would fence its owner.
#[test]
fn nobody_gets_the_next_epoch_of_an_id_that_it_claims_to_have() {
    let mut cluster = Cluster::new(Quirks::default());
    let mut given = BTreeSet::new();
    let mut current = None;
    for through in [1, 1, 2, 1] {
        let Response::InitProducerId(body) = cluster.ask(through, InitProducerIdRequest { current }) else {
            panic!("another answer")
        };
        assert_eq!((body.error, body.producer_epoch), (ErrorCode::None, ProducerEpoch(0)));
        assert!(given.insert(body.producer_id), "{} was given before", body.producer_id);
        current = Some((body.producer_id, ProducerEpoch(3)));
    }
    assert!(!given.contains(&ProducerId::NONE));
}
