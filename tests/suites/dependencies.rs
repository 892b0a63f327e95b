//! What cargo-deny would say of Cargo.lock and can be said without its database: licences and sources.

use std::process::Command;

use serde_json::Value;

#[test]
fn every_dependency_has_a_licence_and_a_source_that_deny_toml_allows() {
    let rules = include_str!("../../deny.toml");
    let (_, allowed) = rules.split_once("\nallow = [").expect("a list of licences");
    let (allowed, _) = allowed.split_once(']').expect("its end");
    let allowed: Vec<&str> = allowed.split('"').skip(1).step_by(2).collect();
    assert!(allowed.contains(&"Apache-2.0"), "{allowed:?}");

    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--all-features",
            // Packages of other systems are fetched if they are not there yet.
            "--locked",
        ])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("a list");
    assert!(packages.len() > 50, "{} packages", packages.len());
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(permits(licence, &allowed), "{name}: {licence:?} is not allowed");
        let source = package["source"].as_str();
        assert!(
            source.is_none_or(|source| source == "registry+https://github.com/rust-lang/crates.io-index"),
            "{name}: {source:?}"
        );
    }
}

#[test]
fn a_choice_needs_one_licence_and_a_conjunction_all() {
    let allowed = ["MIT", "Unicode-3.0"];
    for (licence, expected) in [
        ("MIT", true),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0 OR MIT", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
        ("(GPL-3.0 OR Apache-2.0) AND Unicode-3.0", false),
        ("MIT AND GPL-3.0", false),
        ("", false),
    ] {
        assert_eq!(permits(licence, &allowed), expected, "{licence}");
    }
}

/// Whether the licence can be met. Expressions are conjunctions of choices, or choices of conjunctions; both are read
/// as in `a AND (b OR c)` when there are brackets, and as in `(a AND b) OR c` when there are none.
fn permits(licence: &str, allowed: &[&str]) -> bool {
    let choice = |text: &str, joint: &str, one: &dyn Fn(&str) -> bool| text.split(joint).any(one);
    if licence.contains('(') {
        return licence
            .split(" AND ")
            .all(|part| permits(part.trim_matches(['(', ')']), allowed));
    }
    choice(&licence.replace('/', " OR "), " OR ", &|part| {
        part.split(" AND ").all(|name| allowed.contains(&name.trim()))
    })
}
