//! The `trial` command. What it does is in [`sim::command`].

/// A trial makes and drops many small things: this one is quicker at that than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    sim::command::main()
}
