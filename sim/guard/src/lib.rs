//! Refuses what reaches out of a trial: sockets, processes, threads, and files.
//!
//! What a trial gets from the real world is not in its seed. So while a [`Guard`] stands, some functions of the C
//! library fail on its thread with `EPERM`, and the first that did is remembered ([`refusal`]). Other threads, and this one
//! without a guard, are served as ever.
//!
//! On Linux the functions are replaced when a program is linked, as madsim does it for clocks and entropy: symbols of
//! these names here come before those of the C library. What std, `libc` and most crates do goes through them; a raw
//! system call (`syscall!` in assembly, as in `rustix` or mimalloc) does not. Elsewhere nothing is guarded ([`GUARDS`]).

use core::cell::{Cell, RefCell};
use core::marker::PhantomData;
use std::path::{Component, Path, PathBuf};

#[cfg(target_os = "linux")]
mod linux;

/// Whether this system is one on which a [`Guard`] does anything.
pub const GUARDS: bool = cfg!(target_os = "linux");

thread_local! {
    // Read in functions that may run when the thread has no other thread-locals any more.
    static IS_ON: Cell<bool> = const { Cell::new(false) };
    static READABLE: RefCell<Vec<PathBuf>> = const { RefCell::new(Vec::new()) };
    static REFUSAL: RefCell<Option<Refusal>> = const { RefCell::new(None) };
}

/// Something that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The name of the host, which in a simulation is that of the program.
    pub program: String,
    /// What it wanted: `open a socket`, `read the file /etc/hosts`.
    pub what: String,
    /// The way out.
    pub hint: &'static str,
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Refusal { program, what, hint } = self;
        write!(
            f,
            "{program} wanted to {what}, which is not part of a trial\n  hint: {hint}"
        )
    }
}

/// While it stands, the functions are guarded on its thread.
#[derive(Debug)]
#[must_use = "a guard that is dropped guards nothing"]
pub struct Guard {
    /// It belongs to its thread.
    _thread: PhantomData<*const ()>,
}

impl Guard {
    /// Begins to guard this thread. Files in or under `readable` may be read.
    pub fn new(readable: &[PathBuf]) -> Guard {
        #[cfg(target_os = "linux")]
        linux::link();
        READABLE.set(readable.iter().filter_map(|path| absolute(path)).collect());
        REFUSAL.set(None);
        IS_ON.set(true);
        Guard { _thread: PhantomData }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        IS_ON.set(false);
    }
}

/// What was refused first on this thread since its last [`Guard`] was made.
#[must_use]
pub fn refusal() -> Option<Refusal> {
    REFUSAL.with_borrow(Clone::clone)
}

/// The same, which is forgotten.
#[must_use]
pub fn take_refusal() -> Option<Refusal> {
    REFUSAL.take()
}

/// The path without `.` and `..`, from the root. None without a working directory.
fn absolute(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in std::path::absolute(path).ok()?.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    Some(plain)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "threads are guarded too")]
mod tests {
    use std::fs::File;
    use std::net::TcpListener;
    use std::process::Command;

    use super::*;

    #[test]
    fn paths_are_compared_without_detours() {
        assert_eq!(absolute(Path::new("/a/./b/../c")), Some("/a/c".into()));
        assert_eq!(absolute(Path::new("/../a")), Some("/a".into()));
        assert!(absolute(Path::new("a")).expect("a working directory").is_absolute());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_reaches_out_is_refused_while_a_guard_stands() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let asked: [(&str, &dyn Fn() -> bool); 8] = [
            ("open a socket", &|| TcpListener::bind("127.0.0.1:0").is_ok()),
            ("look up the address of `localhost`", &|| {
                std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok()
            }),
            ("start a process", &|| Command::new("true").status().is_ok()),
            ("start a thread", &|| std::thread::Builder::new().spawn(|| ()).is_ok()),
            ("read the file ", &|| File::open(&own).is_ok()),
            ("write the file /tmp/trial-guard", &|| {
                File::create("/tmp/trial-guard").is_ok()
            }),
            ("read the folder /tmp", &|| std::fs::read_dir("/tmp").is_ok()),
            ("remove the file /tmp/trial-guard", &|| {
                std::fs::remove_file("/tmp/trial-guard").is_ok()
            }),
        ];
        for (what, ask) in asked {
            let guard = Guard::new(&[]);
            assert!(!ask(), "{what} was not refused");
            drop(guard);
            let refusal = refusal().expect("it was refused");
            assert!(refusal.what.starts_with(what), "{} instead of {what}", refusal.what);
            assert!(
                ask() || what.contains("/tmp/trial-guard") || what.contains("localhost"),
                "{what} without a guard"
            );
        }
        let _ = std::fs::remove_file("/tmp/trial-guard");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn files_may_be_read_by_name_and_written_never() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let guard = Guard::new(&[folder.join("src")]);
        assert!(File::open(folder.join("src/lib.rs")).is_ok());
        assert!(std::fs::read_dir(folder.join("src")).is_ok());
        assert_eq!(refusal(), None);
        assert!(File::options().append(true).open(folder.join("src/lib.rs")).is_err());
        assert!(File::open(folder.join("src/../Cargo.toml")).is_err());
        assert!(refusal().is_some());
        drop(guard);
        assert!(File::open(folder.join("Cargo.toml")).is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn other_threads_are_served() {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || asked.recv().map(|()| File::open(own).is_ok()));
        let _guard = Guard::new(&[]);
        ask.send(()).expect("it listens");
        assert_eq!(thread.join().expect("no panic"), Ok(true));
    }
}
