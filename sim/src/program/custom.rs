//! Programs of tests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use broker_core::config::{ConsumerConfig, ProducerConfig};
use broker_core::random::Random;

use super::{Clock, ConsumerClient, ProducerClient};

/// The library that a test's program runs on.
pub(crate) enum Library {
    Producer(Box<ProducerConfig>),
    Consumer(Box<ConsumerConfig>),
}

/// What a test's program gets.
pub(crate) struct Props {
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) producer: Option<ProducerClient>,
    pub(crate) consumer: Option<ConsumerClient>,
}

/// A test's program.
pub(crate) type Main = Arc<dyn Fn(Props) -> Pin<Box<dyn Future<Output = ()>>> + Send + Sync>;
