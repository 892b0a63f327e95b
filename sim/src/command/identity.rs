//! What tells one scenario, one sweep and one build of Trial from another.

use std::sync::OnceLock;

use crate::scenario::files::Loaded;

/// A 64-bit hash that is the same on every machine and in every version (FNV-1a).
#[derive(Clone, Copy, Debug)]
pub struct Hash(u64);

impl Hash {
    /// Of nothing yet.
    pub const EMPTY: Hash = Hash(0xcbf2_9ce4_8422_2325);

    /// With these bytes, and how many they are, so that parts cannot run into each other.
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Hash {
        let length = (bytes.len() as u64).to_le_bytes();
        let all = length.iter().chain(bytes);
        Hash(all.fold(self.0, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// 16 hex digits.
    #[must_use]
    pub fn hex(self) -> String {
        format!("{:016x}", self.0)
    }
}

/// Version of this executable and a fingerprint of its bytes: two builds of one version may behave differently.
pub fn build() -> &'static str {
    static BUILD: OnceLock<String> = OnceLock::new();
    BUILD.get_or_init(|| {
        let version = env!("CARGO_PKG_VERSION");
        let bytes = std::env::current_exe().and_then(std::fs::read);
        match bytes {
            Ok(bytes) => format!("{version}+{}", &fingerprint(&bytes).hex()[..8]),
            // An executable that was removed while it runs still runs.
            Err(_) => version.to_owned(),
        }
    })
}

/// Eight bytes at a time: executables are large.
fn fingerprint(bytes: &[u8]) -> Hash {
    let (words, rest) = bytes.as_chunks::<8>();
    let words = words.iter().fold(Hash::EMPTY.0, |hash, word| {
        (hash ^ u64::from_le_bytes(*word))
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(29)
    });
    Hash(words).with(rest)
}

/// What the results of a scenario's trials depend on, besides the seed.
#[must_use]
pub fn scenario_key(loaded: &Loaded) -> String {
    let mut hash = Hash::EMPTY
        .with(build().as_bytes())
        .with(loaded.scenario.name.as_bytes())
        .with(loaded.text.as_bytes());
    for quirk in &loaded.scenario.quirks {
        hash = hash.with(quirk.as_bytes());
    }
    hash.hex()
}
