//! Stops a build that would not get the simulator: madsim without its cfg is another library, and says so in many errors.

const MESSAGE: &str = r#"
Trial needs `--cfg madsim` for the whole build. Put these two lines into .cargo/config.toml beside your Cargo.toml:

    [build]
    rustflags = ["--cfg", "madsim"]

A RUSTFLAGS variable replaces them: add `--cfg madsim` to it, as in `RUSTFLAGS="--cfg madsim" cargo install --git ...`.
"#;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_MADSIM").is_none() {
        eprintln!("{MESSAGE}");
        std::process::exit(1);
    }
}
