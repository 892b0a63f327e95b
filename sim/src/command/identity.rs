//! What distinguishes one scenario, one sweep and one build of Trial from another.

use std::fs::File;
use std::io::{self, Read as _};
use std::sync::OnceLock;

use crate::scenario::files::Loaded;

/// How much of an executable is read at a time.
const PART: usize = 1 << 16;

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
        match std::env::current_exe().and_then(File::open).and_then(fingerprint) {
            Ok(fingerprint) => format!("{version}+{}", &fingerprint.hex()[..8]),
            // An executable that was removed while it runs still runs.
            Err(_) => version.to_owned(),
        }
    })
}

/// Part by part, eight bytes at a time: executables are large.
fn fingerprint(mut file: File) -> io::Result<Hash> {
    let mut hash = Hash::EMPTY;
    let mut part = Vec::with_capacity(PART);
    loop {
        part.clear();
        if (&mut file).take(PART as u64).read_to_end(&mut part)? == 0 {
            return Ok(hash);
        }
        let (words, rest) = part.as_chunks::<8>();
        let words = words.iter().fold(hash.0, |hash, word| {
            (hash ^ u64::from_le_bytes(*word))
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(29)
        });
        hash = Hash(words).with(rest);
    }
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
