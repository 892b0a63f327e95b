//! Every trial begins on a thread that has done nothing before.
//!
//! std seeds the maps of a thread once, `rand` its generator, and whatever a program keeps in a thread-local stays there:
//! on a thread that had trials before, a trial would see what they left. A thread of its own costs some tens of
//! microseconds. Sources of chance of the whole process cannot be renewed so; `ahash` lets itself be given another.

use core::cell::Cell;
use std::panic::resume_unwind;
use std::sync::Once;
use std::thread::{Builder, scope};

use madsim::runtime::Runtime;
use tracing::dispatcher;

/// As much as the main thread of a process has.
const STACK: usize = 8 << 20;

thread_local! {
    /// Whether this thread was made for a trial that has not begun yet.
    static IS_FRESH: Cell<bool> = const { Cell::new(false) };
    /// How many hashers `ahash` has seeded on this thread.
    static HASHERS: Cell<usize> = const { Cell::new(0) };
}

/// Does `work` on a thread that has done nothing before: on this one, if it was made for that, else on a new one, with
/// the `tracing` subscriber of this one.
///
/// # Panics
/// When `work` does, and when the system has no thread left.
pub(crate) fn on_fresh_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if IS_FRESH.replace(false) {
        return work();
    }
    seed_ahash();
    let subscriber = dispatcher::get_default(Clone::clone);
    scope(|scope| {
        let begin = || {
            IS_FRESH.set(true);
            let done = dispatcher::with_default(&subscriber, work);
            IS_FRESH.set(false);
            done
        };
        let thread = Builder::new().name("trial".to_owned()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, begin).expect("the system has threads");
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// `ahash` mixes keys of the process with a count of all hashers and an address. Both are replaced, unless somebody in
/// this process has made a hasher before its first trial: then they are fixed for good.
fn seed_ahash() {
    struct OfThread;
    impl ahash::random_state::RandomSource for OfThread {
        fn gen_hasher_seed(&self) -> usize {
            HASHERS.replace(HASHERS.get() + 1)
        }
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if ahash::random_state::set_random_source(OfThread).is_err() {
            return;
        }
        // The keys are drawn with the first hasher: from madsim, if that is made inside of a runtime.
        let draw = || {
            Runtime::with_seed_and_config(0, madsim::Config::default()).block_on(async { ahash::RandomState::new() })
        };
        let thread = std::thread::Builder::new().spawn(draw).expect("the system has threads");
        thread.join().expect("nothing panics in there");
    });
}
