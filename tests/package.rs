//! What the package promises to those who depend on it: the Rust it needs, what it brings along, its papers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Crates that run futures, or bring something that does.
const ASYNC_RUNTIMES: [&str; 12] = [
    "tokio",
    "async-std",
    "smol",
    "async-executor",
    "async-global-executor",
    "futures-executor",
    "futures",
    "mio",
    "actix-rt",
    "embassy-executor",
    "glommio",
    "monoio",
];

/// Crates that compile or look for C when they build something.
const C_TOOLS: [&str; 6] = ["cc", "cmake", "bindgen", "pkg-config", "vcpkg", "autotools"];

/// Declarations only: nothing is compiled or linked that the system does not have anyway.
const HARMLESS_SYS: [&str; 4] = ["linux-raw-sys", "windows-sys", "js-sys", "web-sys"];

#[test]
fn no_dependency_of_the_default_tree_needs_a_newer_rust_than_we_do() {
    let tree = Tree::load();
    let own = version(tree.root()["rust_version"].as_str().expect("rust-version in Cargo.toml"));
    let needs = tree.default_tree().into_iter().filter(|id| *id != tree.root_id()).filter_map(|id| {
        let package = &tree.packages[id];
        Some((version(package["rust_version"].as_str()?), package["name"].as_str().unwrap()))
    });
    let (highest, who) = needs.max().expect("some dependency names a rust-version");
    assert!(own >= highest, "Cargo.toml says {own:?}, and {who} needs {highest:?}");
}

#[test]
fn the_default_tree_compiles_no_c() {
    let tree = Tree::load();
    assert_eq!(tree.compile_c(&tree.default_tree()), [""; 0]);
}

#[test]
fn what_is_built_and_tested_in_the_root_compiles_no_c() {
    let tree = Tree::load();
    let built = tree.reach(tree.default_members.iter().map(String::as_str).collect());
    assert!(built.len() > tree.default_members.len());
    assert_eq!(tree.compile_c(&built), [""; 0]);
    // And it would be seen.
    let all = tree.reach(tree.test_edges.keys().map(String::as_str).collect());
    assert!(tree.compile_c(&all).contains(&"rdkafka-sys"));
}

/// The pure ciphers compile for two kinds of processors; on the others the crate is built all the same, with the features that
/// bring other ciphers.
#[test]
fn on_other_processors_the_tree_has_no_ciphers_that_do_not_compile_there() {
    let names = |package: &str, target: &str| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.args([
            "tree", "--locked", "-p", package, "-e", "normal", "--prefix", "none", "--target", target,
        ]);
        let tree = run(&mut cargo);
        tree.lines()
            .filter_map(|line| line.split(' ').next().map(str::to_owned))
            .collect::<BTreeSet<String>>()
    };
    for (target, has_graviola) in [
        ("x86_64-unknown-linux-gnu", true),
        ("aarch64-unknown-linux-gnu", true),
        ("riscv64gc-unknown-linux-gnu", false),
        ("armv7-unknown-linux-gnueabihf", false),
    ] {
        // The embedded brokers have no other ciphers: there `compile_error!` says what to do, and not the ciphers' own error.
        for package in ["kafka-producer", "kafka-embedded"] {
            let names = names(package, target);
            assert!(names.contains("rustls"), "{target}: {names:?}");
            assert_eq!(names.contains("graviola"), has_graviola, "{package}, {target}");
            assert_eq!(names.contains("rustls-graviola"), has_graviola, "{package}, {target}");
        }
    }
}

#[test]
fn all_members_keep_the_same_lints() {
    let root = read("Cargo.toml");
    let wanted = lints(&root, "workspace.lints");
    assert!(wanted.contains(&(String::from("rust"), String::from("unsafe_code = \"forbid\""))), "{wanted:?}");
    let mut members = ["benchmarks", "benchmarks/work", "fuzz"].map(String::from).to_vec();
    let crates = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("crates")).unwrap();
    members.extend(crates.map(|entry| format!("crates/{}", entry.unwrap().file_name().to_string_lossy())));
    members.extend(["examples/order_service", "examples/from_c", "."].map(String::from));
    for member in members {
        let manifest = read(&format!("{member}/Cargo.toml"));
        if ["benchmarks", "examples/from_c"].contains(&member.as_str()) {
            // The foreign calls of client-librdkafka, the pointers of a caller in C: what is forbidden cannot be allowed for
            // one file.
            let own = lints(&manifest.replace("unsafe_code = \"deny\"", "unsafe_code = \"forbid\""), "lints");
            assert_eq!(own, wanted, "{member}");
            continue;
        }
        assert!(manifest.contains("\n[lints]\nworkspace = true\n"), "{member}");
    }
}

/// The benchmark's clients that are Rust programs and bring an async runtime: each is a workspace of its own, with a lock file, so that
/// ours has nothing of theirs, and with the same lints.
#[test]
fn clients_of_the_benchmark_on_tokio_are_workspaces_of_their_own() {
    let root = read("Cargo.toml");
    assert!(root.contains("\nexclude = [\"benchmarks/peers\"]\n"), "{root}");
    for name in ["krafka", "confluent-kafka"] {
        let manifest = read(&format!("benchmarks/peers/{name}/Cargo.toml"));
        assert!(manifest.contains("\n[workspace]\n"), "{name}");
        assert_eq!(lints(&manifest, "lints"), lints(&root, "workspace.lints"), "{name}");
        let version = manifest.split(&format!("\n{name} = {{ version = \"=")).nth(1);
        let version = version.and_then(|rest| rest.split('"').next()).expect("one exact version");
        let locked = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(read(&format!("benchmarks/peers/{name}/Cargo.lock")).contains(&locked), "{name}");
        // What it prints beside its figures.
        assert!(read(&format!("benchmarks/peers/{name}/src/main.rs")).contains(&format!("\"{version}\"")));
        assert!(!read("Cargo.lock").contains(&format!("name = \"{name}\"")), "{name}");
    }
}

/// The lines of `[table.tool]` in a manifest, each with its tool.
fn lints(manifest: &str, table: &str) -> BTreeSet<(String, String)> {
    let mut tool = None;
    let mut found = BTreeSet::new();
    for line in manifest.lines().map(|line| line.split(" #").next().unwrap_or(line)) {
        if let Some(header) = line.strip_prefix('[') {
            tool = header.strip_prefix(table).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(']'));
        } else if let Some(tool) = tool.filter(|_| line.contains('=')) {
            found.insert((tool.to_owned(), line.to_owned()));
        }
    }
    found
}

#[test]
fn the_default_tree_leaves_the_embedded_cluster_out() {
    let tree = Tree::load();
    let names: BTreeSet<&str> =
        tree.default_tree().into_iter().map(|id| tree.packages[id]["name"].as_str().unwrap()).collect();
    assert!(names.contains("crossbeam-channel") && !names.contains("kafka-protocol"), "{names:?}");
}

#[test]
fn no_async_runtime_comes_along_not_even_for_tests() {
    let lock = read("Cargo.lock");
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let names: BTreeSet<&str> = names.collect();
    assert!(names.contains("kafka-producer"), "the lock file is not read as it should be");
    let found: Vec<_> = ASYNC_RUNTIMES.into_iter().filter(|runtime| names.contains(runtime)).collect();
    assert_eq!(found, [""; 0]);
}

/// What it is for, and what would replace it.
#[test]
fn every_dependency_has_its_row_in_the_architecture() {
    let tree = Tree::load();
    let page = read("ARCHITECTURE.md");
    let (_, section) = page.split_once("\n## Dependencies\n").unwrap();
    let named: BTreeSet<&str> = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .collect();
    let dependencies = tree.root()["dependencies"].as_array().unwrap();
    let missing: Vec<&str> = dependencies
        .iter()
        .filter(|dependency| dependency["kind"].is_null())
        .map(|dependency| dependency["name"].as_str().unwrap())
        .filter(|name| !named.contains(name))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn the_papers_are_in_order() {
    let tree = Tree::load();
    let package = tree.root();
    assert_eq!(package["license"], "MIT OR Apache-2.0");
    assert!(read("LICENSE-MIT").contains("Permission is hereby granted, free of charge"));
    assert!(
        read("LICENSE-APACHE").contains("Apache License") && read("LICENSE-APACHE").contains("Version 2.0")
    );
    let texts = |name: &str| package[name].as_array().unwrap().len();
    assert!((1..=5).contains(&texts("keywords")) && (1..=5).contains(&texts("categories")));
    assert!(package["description"].as_str().is_some_and(|text| text.len() > 40));
    assert_eq!(package["edition"], "2024");
    for file in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/configuration.md"] {
        assert!(read(file).len() > 200, "{file} is hardly more than a title");
    }
    let changes = read("CHANGELOG.md");
    let own = package["version"].as_str().unwrap();
    assert!(changes.contains(&format!("## [{own}]")), "CHANGELOG.md does not know version {own}");
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// `1.88` and `1.88.0` are the same.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.parse().unwrap());
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

/// What `cargo metadata` knows about the packages on this platform.
struct Tree {
    root: String,
    default_members: Vec<String>,
    packages: BTreeMap<String, Value>,
    /// The dependencies that are built for each package: normal ones and those of its build script.
    edges: BTreeMap<String, Vec<String>>,
    /// Those of its tests as well, where it is a member of the workspace.
    test_edges: BTreeMap<String, Vec<String>>,
}

impl Tree {
    fn load() -> Tree {
        let rustc = run(Command::new("rustc").arg("-vV"));
        let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host]);
        let all: Value = serde_json::from_str(&run(cargo.arg("--manifest-path").arg(manifest))).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let packages = all["packages"].as_array().unwrap();
        let packages: BTreeMap<String, Value> =
            packages.iter().map(|package| (text(&package["id"]), package.clone())).collect();
        let (mut edges, mut test_edges) = (BTreeMap::new(), BTreeMap::new());
        for node in all["resolve"]["nodes"].as_array().unwrap() {
            let all = node["deps"].as_array().unwrap().iter();
            let all: Vec<&Value> =
                all.filter(|dependency| is_asked_for(&packages, node, dependency)).collect();
            let built = all.iter().filter(|dependency| {
                let kinds = dependency["dep_kinds"].as_array().unwrap();
                kinds.iter().any(|kind| kind["kind"] != "dev")
            });
            edges.insert(text(&node["id"]), built.map(|dependency| text(&dependency["pkg"])).collect());
            let all = all.iter().map(|dependency| text(&dependency["pkg"])).collect();
            test_edges.insert(text(&node["id"]), all);
        }
        let default_members = all["workspace_default_members"].as_array().unwrap().iter().map(text).collect();
        Tree { root: text(&all["resolve"]["root"]), default_members, packages, edges, test_edges }
    }

    fn root_id(&self) -> &str {
        &self.root
    }

    fn root(&self) -> &Value {
        &self.packages[&self.root]
    }

    /// These packages and all that is built for them and their tests.
    fn reach<'a>(&'a self, mut open: Vec<&'a str>) -> BTreeSet<&'a str> {
        let mut found = BTreeSet::new();
        while let Some(id) = open.pop() {
            if found.insert(id) {
                open.extend(self.test_edges[id].iter().map(String::as_str));
            }
        }
        found
    }

    /// Those of them that compile or link C of their own.
    fn compile_c(&self, ids: &BTreeSet<&str>) -> Vec<&str> {
        let names = ids.iter().filter_map(|id| {
            let package = &self.packages[*id];
            let name = package["name"].as_str().unwrap();
            let sys = name.ends_with("-sys") && !HARMLESS_SYS.contains(&name);
            (C_TOOLS.contains(&name) || sys || package["links"].is_string()).then_some(name)
        });
        names.collect()
    }

    /// What a user gets who depends on the package and asks for no feature: its optional dependencies are not in it.
    fn default_tree(&self) -> BTreeSet<&str> {
        let dependencies = self.root()["dependencies"].as_array().unwrap();
        let default: BTreeSet<&str> = dependencies
            .iter()
            .filter(|dependency| dependency["optional"] == false && dependency["kind"] != "dev")
            .map(|dependency| dependency["name"].as_str().unwrap())
            .collect();
        let wanted = |id: &&String| default.contains(self.packages[*id]["name"].as_str().unwrap());
        let mut open: Vec<&str> = self.edges[&self.root].iter().filter(wanted).map(String::as_str).collect();
        let mut found = BTreeSet::from([self.root.as_str()]);
        while let Some(id) = open.pop() {
            if found.insert(id) {
                open.extend(self.edges[id].iter().map(String::as_str));
            }
        }
        found
    }
}

/// Cargo lists an optional dependency also where a feature only says what it has to have should it be there (`name?/feature`).
fn is_asked_for(packages: &BTreeMap<String, Value>, node: &Value, dependency: &Value) -> bool {
    let package = &packages[node["id"].as_str().unwrap()];
    let name = packages[dependency["pkg"].as_str().unwrap()]["name"].as_str().unwrap();
    let declared = package["dependencies"].as_array().unwrap().iter().filter(|it| it["name"] == name);
    let (mut is_optional, mut names) = (true, BTreeSet::new());
    for it in declared {
        is_optional &= it["optional"] == true;
        names.insert(it["rename"].as_str().unwrap_or(name).to_owned());
    }
    let features = node["features"].as_array().unwrap().iter();
    let mut asked =
        features.flat_map(|feature| package["features"][feature.as_str().unwrap()].as_array().unwrap());
    let is_meant = |text: &str| {
        let text = text.strip_prefix("dep:").unwrap_or(text);
        names.contains(text.split('/').next().unwrap())
    };
    !is_optional || asked.any(|text| is_meant(text.as_str().unwrap()))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
