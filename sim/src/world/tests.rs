//! The world with small machines of its own.

use super::*;

#[test]
fn messages_go_round() {
    assert!(ping_pong(10_000) >= 9_999);
}
