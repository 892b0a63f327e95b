//! The `trial` command. What it does is in [`sim::command`].

fn main() -> std::process::ExitCode {
    sim::command::main()
}
