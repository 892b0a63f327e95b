//! The `trial` command. What it does is in [`sim::command`].

/// A trial makes and drops many small things: this one spends half the time of the system's on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    sim::command::main()
}
