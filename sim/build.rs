//! Stops a build that would not get the simulator: madsim without its cfg is another library, and says so in many errors.
//! Then embeds the shipped scenarios, so that an installed `trial` has them (`scenario::shipped`).

use std::path::{Path, PathBuf};
use std::{env, fs};

const MESSAGE: &str = r#"
Trial needs `--cfg madsim` for the whole build. Put these two lines into .cargo/config.toml beside your Cargo.toml:

    [build]
    rustflags = ["--cfg", "madsim"]

A RUSTFLAGS variable replaces them: add `--cfg madsim` to it, as in `RUSTFLAGS="--cfg madsim" cargo install --git ...`.
"#;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_CFG_MADSIM").is_none() {
        eprintln!("{MESSAGE}");
        std::process::exit(1);
    }
    if env::var_os("CARGO_FEATURE_COMMAND").is_some() {
        embed();
    }
}

fn embed() {
    let variable = |name| PathBuf::from(env::var_os(name).expect("cargo sets it for build scripts"));
    let root = variable("CARGO_MANIFEST_DIR").join("../scenarios");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort();
    let entries: String = files
        .iter()
        .map(|(name, path)| format!("    ({name:?}, include_str!({path:?})),\n"))
        .collect();
    let table = format!("&[\n{entries}]\n");
    fs::write(variable("OUT_DIR").join("shipped.rs"), table).expect("the folder of the output takes files");
}

/// The scenario files below a folder, each with its name: the path below `root` without the ending.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder can be read to its end").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            let below = path.with_extension("");
            let below = below.strip_prefix(root).expect("it was found there").components();
            let parts: Vec<String> = below
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .collect();
            files.push((parts.join("/"), path));
        }
    }
}
