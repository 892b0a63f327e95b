//! Modules import each other in one direction: in no folder of a crate do files or folders beside each other form a circle
//! of imports. What a module and its own submodules import of each other is free, and so is what tests import.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The crates whose modules are looked at.
const CRATES: [&str; 4] = ["broker-core/src", "reports/src", "sim/guard/src", "sim/src"];

/// A module by its names from the crate's root: `world`, `faults`.
type Module = Vec<String>;

#[test]
fn modules_import_each_other_in_one_direction() {
    for root in CRATES {
        let mut files = Vec::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(root);
        read(&folder, "", &mut files);
        assert!(!files.is_empty(), "{root} has no modules");
        let found = circles(&files);
        assert!(found.is_empty(), "circles of imports in {root}:\n{}", found.join("\n"));
    }
}

#[test]
fn circles_are_found_however_they_come_about() {
    for (files, expected) in [
        (
            &[("a.rs", "use crate::b::B;"), ("b.rs", "use super::a::A;")][..],
            Some("a → b → a"),
        ),
        (
            &[
                ("a.rs", "use crate::{c, b::{self, B}};"),
                ("b.rs", "fn f() { crate::c::g() }"),
                ("c.rs", "pub type A = super::a::A;"),
            ],
            Some("a → b → c → a"),
        ),
        (
            &[
                ("m/mod.rs", "mod a; mod b; use a::A;"),
                ("m/a.rs", "use super::b::B;"),
                ("m/b/mod.rs", "mod deep;"),
                ("m/b/deep.rs", "use crate::m::a::A;"),
            ],
            Some("m: a → b → a"),
        ),
        (
            &[
                ("a.rs", "mod x; use crate::b::B;"),
                ("a/x.rs", "use super::A;"),
                ("b.rs", "struct B;"),
            ],
            None,
        ),
        (
            &[
                (
                    "a.rs",
                    "// use crate::b::B;\nconst T: &str = \"crate::b::B\"; #[cfg(test)] mod tests { use crate::b::B; } ",
                ),
                ("b.rs", "use crate::a::A; #[cfg(test)]\nmod proof;"),
                ("c.rs", "use crate::a::A; #[cfg(test)] use crate::d::D;"),
                ("d.rs", "use crate::{b::B, c::C};"),
            ],
            None,
        ),
        (
            &[
                ("a.rs", "#[cfg(test)] mod proof;"),
                ("a/proof.rs", "use crate::b::B;"),
                ("b.rs", "use crate::a::A;"),
            ],
            None,
        ),
    ] {
        let files: Vec<(String, String)> = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        let found = circles(&files);
        match expected {
            Some(circle) => assert!(found.len() == 1 && found[0].contains(circle), "{circle}: {found:?}"),
            None => assert!(found.is_empty(), "{files:?}: {found:?}"),
        }
    }
}

/// Reads all Rust files of a folder, with their paths from the crate's root.
fn read(folder: &Path, path: &str, files: &mut Vec<(String, String)>) {
    let entries = fs::read_dir(folder).expect("a folder of the repository");
    for entry in entries {
        let entry = entry.expect("an entry of a folder");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        if entry.path().is_dir() {
            read(&entry.path(), &format!("{path}{name}/"), files);
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).expect("a text in UTF-8");
            files.push((format!("{path}{name}"), text));
        }
    }
}

/// The circles among these files, in words: for each folder the first one.
fn circles(files: &[(String, String)]) -> Vec<String> {
    let mut modules: BTreeMap<Module, Scan> = BTreeMap::new();
    for (path, text) in files {
        modules.insert(module_of(path), Scan::of(text));
    }
    let tests: Vec<Module> = modules
        .iter()
        .flat_map(|(module, scan)| scan.tests.iter().map(|test| child(module, test)))
        .collect();
    modules.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));

    // For each folder: which of its children imports which other one, and by what.
    let mut imports: BTreeMap<Module, BTreeMap<String, BTreeMap<String, String>>> = BTreeMap::new();
    for (from, scan) in &modules {
        for path in &scan.paths {
            let Some(to) = resolve(&modules, from, path) else {
                continue;
            };
            let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
            if shared < from.len() && shared < to.len() {
                let of_folder = imports.entry(from[..shared].to_vec()).or_default();
                let of_child = of_folder.entry(from[shared].clone()).or_default();
                let why = || format!("{} imports {}", from.join("/"), path.join("::"));
                of_child.entry(to[shared].clone()).or_insert_with(why);
            }
        }
    }
    let found = imports.iter().filter_map(|(folder, imports)| {
        let circle = circle(imports)?;
        let why = circle.windows(2).map(|pair| &*imports[&pair[0]][&pair[1]]);
        let why = why.collect::<Vec<_>>().join(", ");
        Some(format!("{}: {} ({why})", folder.join("/"), circle.join(" → ")))
    });
    found.collect()
}

/// A circle in a graph, its first node again at its end.
fn circle(graph: &BTreeMap<String, BTreeMap<String, String>>) -> Option<Vec<String>> {
    fn visit<'a>(
        graph: &'a BTreeMap<String, BTreeMap<String, String>>,
        node: &'a str,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<String>> {
        if let Some(start) = path.iter().position(|visited| *visited == node) {
            let circle = path[start..].iter().chain([&node]);
            return Some(circle.map(|node| (*node).to_owned()).collect());
        }
        if done.contains(node) {
            return None;
        }
        path.push(node);
        let mut next = graph.get(node).into_iter().flat_map(BTreeMap::keys);
        let found = next.find_map(|next| visit(graph, next, path, done));
        path.pop();
        done.insert(node);
        found
    }
    let mut done = BTreeSet::new();
    graph
        .keys()
        .find_map(|node| visit(graph, node, &mut Vec::new(), &mut done))
}

fn module_of(path: &str) -> Module {
    let path = path.trim_end_matches(".rs");
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    if module
        .last()
        .is_some_and(|name| ["mod", "lib", "main"].contains(&&**name))
    {
        module.pop();
    }
    module
}

fn child(module: &[String], name: &str) -> Module {
    let mut child = module.to_vec();
    child.push(name.to_owned());
    child
}

/// The module that a path leads to or into; none if it is of another crate.
fn resolve(modules: &BTreeMap<Module, Scan>, from: &Module, path: &[String]) -> Option<Module> {
    let (mut module, mut rest) = match &*path[0] {
        "crate" => (Vec::new(), &path[1..]),
        "self" => (from.clone(), &path[1..]),
        "super" => (from.clone(), path),
        name if modules.contains_key(&child(from, name)) => (from.clone(), path),
        _ => return None,
    };
    while rest.first().is_some_and(|name| name == "super") {
        module.pop();
        rest = &rest[1..];
    }
    for name in rest {
        let next = child(&module, name);
        if !modules.contains_key(&next) {
            break;
        }
        module = next;
    }
    Some(module)
}

/// What a file says of modules, outside of what is there for tests alone.
#[derive(Default)]
struct Scan {
    /// All paths of at least two names, and all that is imported.
    paths: BTreeSet<Vec<String>>,
    /// The modules that are there for tests.
    tests: Vec<String>,
}

impl Scan {
    fn of(text: &str) -> Scan {
        let tokens = tokens(text);
        let mut scan = Scan::default();
        let mut at = 0;
        while at < tokens.len() {
            if tokens[at..].starts_with(&["#", "[", "cfg", "(", "test", ")", "]"]) {
                at = scan.skip_item(&tokens, at + 7);
            } else if tokens[at] == "use" {
                at = scan.take_tree(&tokens, at + 1, &[]);
            } else if is_name(tokens[at]) {
                let mut path = vec![tokens[at].to_owned()];
                at += 1;
                while tokens.get(at) == Some(&"::") && tokens.get(at + 1).is_some_and(|next| is_name(next)) {
                    path.push(tokens[at + 1].to_owned());
                    at += 2;
                }
                if path.len() > 1 {
                    scan.add(path);
                }
            } else {
                at += 1;
            }
        }
        scan
    }

    fn add(&mut self, path: Vec<String>) {
        if !path.is_empty() {
            self.paths.insert(path);
        }
    }

    /// Leaves out an item: up to its semicolon or the end of its braces.
    fn skip_item(&mut self, tokens: &[&str], mut at: usize) -> usize {
        let mut depth = 0;
        while at < tokens.len() {
            match tokens[at] {
                "mod" if depth == 0 && tokens.get(at + 2) == Some(&";") => self.tests.push(tokens[at + 1].to_owned()),
                ";" if depth == 0 => return at + 1,
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    // Behind the braces of an import there is a semicolon yet.
                    if depth == 0 && tokens.get(at + 1) != Some(&";") {
                        return at + 1;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        at
    }

    /// Takes what an import names behind `prefix`, and returns the place behind it.
    fn take_tree(&mut self, tokens: &[&str], mut at: usize, prefix: &[String]) -> usize {
        let mut path = prefix.to_vec();
        while at < tokens.len() {
            match tokens[at] {
                "{" => {
                    at += 1;
                    while tokens.get(at).is_some_and(|token| *token != "}") {
                        at = self.take_tree(tokens, at, &path);
                        at += usize::from(tokens.get(at) == Some(&","));
                    }
                    return at + 1;
                }
                "as" => at += 2,
                "," | "}" | ";" => break,
                "self" if !path.is_empty() => at += 1,
                name => {
                    if is_name(name) {
                        path.push(name.to_owned());
                    }
                    at += 1;
                }
            }
        }
        self.add(path);
        at
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Names, `::` and single signs, without comments and literals.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            string(rest)
        } else if rest.starts_with("'\\") {
            3 + rest[3..].find('\'').map_or(0, |end| end + 1)
        } else if first == '\'' && rest.chars().nth(2) == Some('\'') {
            rest.char_indices().nth(3).map_or(rest.len(), |(end, _)| end)
        } else {
            let is_of_name = |sign: char| sign.is_alphanumeric() || sign == '_';
            let length = match first {
                _ if is_of_name(first) => rest.find(|sign| !is_of_name(sign)).unwrap_or(rest.len()),
                ':' if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            if !first.is_whitespace() {
                tokens.push(&rest[..length]);
            }
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// How long the string literal is at the beginning of `text`.
fn string(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().enumerate().skip(1).find(|(_, byte)| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |(end, _)| end + 1)
}
