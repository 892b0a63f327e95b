//! What a listener serves, and in which versions (KIP-35, KIP-511).

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::protocol::ErrorCode;

/// An API as it stands in an [`ApiVersionsResponse`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ApiVersion {
    /// Its number.
    pub api_key: i16,
    /// The first version that is served.
    pub min_version: i16,
    /// The last one.
    pub max_version: i16,
}

/// What does the listener serve? A client says with it what it is (KIP-511).
#[derive(Clone, Debug, Hash)]
pub struct ApiVersionsRequest {
    /// The client's name.
    pub client_software_name: Box<str>,
    /// Its version.
    pub client_software_version: Box<str>,
}

/// The answer to an [`ApiVersionsRequest`].
#[derive(Clone, Debug, Hash)]
pub struct ApiVersionsResponse {
    /// Success, or why not (INVALID_REQUEST).
    pub error: ErrorCode,
    /// What is served, ascending by number.
    pub api_keys: Vec<ApiVersion>,
}

impl ApiVersionsRequest {
    /// Whether name and version are as Kafka wants them: `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let is_word = |text: &str| {
            let ends = [text.bytes().next(), text.bytes().last()];
            ends.iter()
                .all(|end| end.is_some_and(|byte| byte.is_ascii_alphanumeric()))
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
        };
        is_word(&self.client_software_name) && is_word(&self.client_software_version)
    }
}
