//! The functions of the C library that are guarded.
//!
//! Each has the name and the parameters of the original, asks whether its thread is guarded, and else calls the next
//! symbol of its name, the original. Variadic functions are declared with all parameters that they ever take: on the
//! ABIs of Linux they are passed alike, and the original looks only at those that its other arguments call for.

#![allow(
    unsafe_code,
    reason = "replacing C functions is the whole purpose; each one only passes its own arguments on"
)]

use core::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{IS_ON, READABLE, REFUSAL, Refusal, absolute};

const NETWORK: &str = "programs reach the cluster through their `Env`; what else they call can be a `[[services]]` of the scenario, \
                       or a task behind a channel";
const PROCESSES: &str = "run it before the trial, and give the program what it said";
const THREADS: &str = "use `env.spawn` or `tokio::spawn`: a task is a part of the trial, a thread is not";
const READING: &str =
    "read it before the trial (`include_str!`), or allow it by name: `Trial::reads(\"tests/fixtures\")`";
const WRITING: &str = "keep it in memory, or send it to a topic; write files after the trial";

/// Sees to it that the linker keeps this file, and that what is asked for later is known.
pub(super) fn link() {
    executable();
}

/// Declares replacements: the refusal, if any, is decided first.
macro_rules! replace {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $result:ty { refused: $refused:expr, $failed:expr })+) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            if IS_ON.get() && $refused {
                // SAFETY: the location of a thread's errno is always valid.
                unsafe { *libc::__errno_location() = libc::EPERM };
                return $failed;
            }
            static NEXT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
            let next = next(&NEXT, concat!(stringify!($name), "\0"));
            // SAFETY: it is the function of this name, whose parameters these are.
            let next: unsafe extern "C" fn($($type),*) -> $result = unsafe { core::mem::transmute(next) };
            // SAFETY: the caller keeps the original's contract.
            unsafe { next($($argument),*) }
        }
    )+};
}

replace! {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int { refused: refuse("open a socket".to_owned(), NETWORK), -1 }
    fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int {
        refused: refuse("open a pair of sockets".to_owned(), NETWORK), -1
    }
    fn getaddrinfo(node: *const c_char, service: *const c_char, hints: *const c_void, result: *mut c_void) -> c_int {
        refused: refuse(format!("look up the address of `{}`", path(node).display()), NETWORK), libc::EAI_SYSTEM
    }

    fn fork() -> c_int { refused: refuse_process(), -1 }
    fn execve(file: *const c_char, arguments: *const c_void, environment: *const c_void) -> c_int { refused: refuse_process(), -1 }
    fn execvp(file: *const c_char, arguments: *const c_void) -> c_int { refused: refuse_process(), -1 }
    fn posix_spawn(pid: *mut c_int, file: *const c_char, actions: *const c_void, attributes: *const c_void, arguments: *const c_void, environment: *const c_void) -> c_int {
        refused: refuse_process(), libc::EPERM
    }
    fn posix_spawnp(pid: *mut c_int, file: *const c_char, actions: *const c_void, attributes: *const c_void, arguments: *const c_void, environment: *const c_void) -> c_int {
        refused: refuse_process(), libc::EPERM
    }
    fn system(command: *const c_char) -> c_int { refused: refuse_process(), -1 }
    fn popen(command: *const c_char, kind: *const c_char) -> *mut c_void { refused: refuse_process(), null_mut() }

    fn pthread_create(thread: *mut c_void, attributes: *const c_void, main: *const c_void, argument: *mut c_void) -> c_int {
        refused: refuse("start a thread".to_owned(), THREADS), libc::EPERM
    }

    fn open(file: *const c_char, flags: c_int, mode: c_uint) -> c_int { refused: refuse_open(file, flags), -1 }
    fn open64(file: *const c_char, flags: c_int, mode: c_uint) -> c_int { refused: refuse_open(file, flags), -1 }
    fn openat(folder: c_int, file: *const c_char, flags: c_int, mode: c_uint) -> c_int { refused: refuse_open(file, flags), -1 }
    fn openat64(folder: c_int, file: *const c_char, flags: c_int, mode: c_uint) -> c_int { refused: refuse_open(file, flags), -1 }
    fn creat(file: *const c_char, mode: c_uint) -> c_int { refused: refuse_change("write the file", file), -1 }
    fn opendir(folder: *const c_char) -> *mut c_void { refused: refuse_read("folder", folder), null_mut() }
    fn unlink(file: *const c_char) -> c_int { refused: refuse_change("remove the file", file), -1 }
    fn rename(from: *const c_char, to: *const c_char) -> c_int { refused: refuse_change("rename the file", from), -1 }
    fn mkdir(folder: *const c_char, mode: c_uint) -> c_int { refused: refuse_change("make the folder", folder), -1 }
    fn rmdir(folder: *const c_char) -> c_int { refused: refuse_change("remove the folder", folder), -1 }
}

/// Entropy asked for by number, as getrandom 0.2 does it, is what it is by name: madsim replaces that.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    if number == libc::SYS_getrandom {
        // SAFETY: these are the parameters of that system call.
        return unsafe { libc::getrandom(a as *mut c_void, b as usize, c as c_uint) } as c_long;
    }
    type Syscall = unsafe extern "C" fn(c_long, c_long, c_long, c_long, c_long, c_long, c_long) -> c_long;
    static NEXT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
    // SAFETY: it takes a number and up to six words, and the caller keeps its contract.
    unsafe { core::mem::transmute::<*mut c_void, Syscall>(next(&NEXT, "syscall\0"))(number, a, b, c, d, e, f) }
}

/// The next symbol of this name behind ours.
fn next(known: &AtomicPtr<c_void>, name: &'static str) -> *mut c_void {
    let mut next = known.load(Ordering::Relaxed);
    if next.is_null() {
        // SAFETY: the name ends with a zero.
        next = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr().cast()) };
        assert!(!next.is_null(), "the C library has no `{name}`");
        known.store(next, Ordering::Relaxed);
    }
    next
}

fn refuse_process() -> bool {
    refuse("start a process".to_owned(), PROCESSES)
}

fn refuse_open(file: *const c_char, flags: c_int) -> bool {
    let changes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & (libc::O_CREAT | libc::O_TRUNC) != 0;
    match changes {
        true => refuse_change("write the file", file),
        false => refuse_read("file", file),
    }
}

fn refuse_read(kind: &str, name: *const c_char) -> bool {
    let path = path(name);
    if is_of_the_process(&path) || READABLE.with_borrow(|readable| is_under(&path, readable)) {
        return false;
    }
    refuse(format!("read the {kind} {}", path.display()), READING)
}

fn refuse_change(operation: &str, name: *const c_char) -> bool {
    let path = path(name);
    if path == Path::new("/dev/null") {
        return false;
    }
    refuse(format!("{operation} {}", path.display()), WRITING)
}

/// Notes a refusal. A thread that panics is left alone: its report reads the executable.
fn refuse(what: String, hint: &'static str) -> bool {
    if std::thread::panicking() {
        return false;
    }
    REFUSAL.with_borrow_mut(|refusal| {
        refusal.get_or_insert_with(|| Refusal {
            program: host_name(),
            what,
            hint,
        });
    });
    true
}

fn is_under(path: &Path, readable: &[PathBuf]) -> bool {
    absolute(path).is_some_and(|path| readable.iter().any(|folder| path.starts_with(folder)))
}

/// What backtraces read, and nothing that a seed could miss.
fn is_of_the_process(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path == Path::new("/dev/null")
        || path.starts_with("/proc/self")
        || path.starts_with("/usr/lib/debug")
        || name.ends_with(".so")
        || name.contains(".so.")
        || [".debug", ".dwp", ".dwo"].iter().any(|end| name.ends_with(end))
        || executable().is_some_and(|executable| path == executable)
}

fn executable() -> Option<&'static Path> {
    static EXECUTABLE: OnceLock<Option<PathBuf>> = OnceLock::new();
    EXECUTABLE.get_or_init(|| std::env::current_exe().ok()).as_deref()
}

fn host_name() -> String {
    let mut name = [0_u8; 256];
    // SAFETY: it writes at most as many bytes as it is given.
    let failed = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) } != 0;
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(0);
    match failed {
        true => "a program".to_owned(),
        false => String::from_utf8_lossy(&name[..end]).into_owned(),
    }
}

fn path(name: *const c_char) -> PathBuf {
    if name.is_null() {
        return PathBuf::new();
    }
    // SAFETY: the caller gives the original a string that ends with a zero.
    let name = unsafe { CStr::from_ptr(name) };
    PathBuf::from(OsStr::from_bytes(name.to_bytes()))
}
