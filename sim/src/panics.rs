//! A panic inside a trial is an outcome too.

use core::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::running::{During, running_program};

thread_local! {
    static IS_CATCHING: Cell<bool> = const { Cell::new(false) };
    static FIRST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// A panic inside a trial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Panic {
    /// `file:line:column`.
    pub place: String,
    /// What it said.
    pub message: String,
    /// Where it came from, if that was code of a program.
    pub during: Option<During>,
}

/// Does `work`, whose panics are returned and not reported.
///
/// # Errors
/// When it panics.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    install_hook();
    // One may be inside of another.
    let outer = (IS_CATCHING.replace(true), FIRST.take());
    // Nothing that a trial leaves half done is looked at again.
    let done = panic::catch_unwind(AssertUnwindSafe(work));
    let first = FIRST.take();
    IS_CATCHING.set(outer.0);
    FIRST.set(outer.1);
    let unknown = || Panic {
        place: "an unknown place".to_owned(),
        message: "a panic without words".to_owned(),
        during: None,
    };
    done.map_err(|_| first.unwrap_or_else(unknown))
}

/// Keeps what a panic inside [`catch`] says; other panics are reported as before.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_CATCHING.get() {
                return before(info);
            }
            let place = info
                .location()
                .map_or("an unknown place".to_owned(), ToString::to_string);
            let message = info.payload_as_str().unwrap_or("a panic without words").to_owned();
            // Code that was refused something and gave up says little of why.
            let message = guard::refusal().map_or(message, |refusal| refusal.to_string());
            let during = running_program();
            // The first panic is the cause; later ones come from cleaning up after it.
            FIRST.with_borrow_mut(|first| first.get_or_insert(Panic { place, message, during }).clone());
        }));
    });
}
