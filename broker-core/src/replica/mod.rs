//! One partition on one broker: leader and follower.
