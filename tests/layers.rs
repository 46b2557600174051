//! The house's floors: a file imports from floors below its own, and from files below it in its own room; never
//! sideways to another room of its floor, never up, never through the re-exports of `lib.rs`.
//!
//! Every `crate::`, `super::` and `self::` path outside tests is read from the source, in `use` lines and anywhere
//! else. Within a room a name that `mod.rs` only passes on counts as an import of the file that defines it. Passing a
//! name on is no import, unless the file that passes it on uses it as well; what is left has to be free of circles, so
//! that the files of a room have an order, too.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use source::Token;

/// The rooms, from the ground up. Everything in `src` but `lib.rs` is in one of them.
const FLOORS: &[&[&str]] = &[
    &[
        "record",
        "consumer_group",
        "error_code",
        "backoff",
        "uuid",
        "nearest_name",
        "properties",
        "sync",
        "catch_panic",
        "fork_guard",
        "escape",
        "counted",
        "notices",
        "stage",
        "planted",
        "guide",
        "log_labels",
        "secret",
    ],
    &["cluster", "error", "interrupt", "class_registry", "logging", "spin", "metrics"],
    &["mailbox", "last_heard", "lifecycle", "serializer", "partitioner", "interceptor", "config", "wire"],
    &["completion", "record_batch", "protocol"],
    &["transaction"],
    &["accumulator", "metadata", "network"],
    &["security"],
    &["sender"],
    &["producer"],
    &["mock"],
];

/// Rooms above the house: they may import every other, and nobody but `lib.rs` imports them.
const ABOVE: [&str; 2] = ["internal", "simulation"];

/// Circles that are still to be opened. No new one may come; one that is gone has to leave this list.
const OPEN_CIRCLES: [&str; 0] = [];

#[test]
fn imports_point_down() {
    let sources = source::rust_files("src").into_iter().map(|(path, text)| {
        let inside = path.strip_prefix("src").unwrap().to_owned();
        (inside.to_string_lossy().replace('\\', "/"), text)
    });
    let violations = check(&sources.collect(), FLOORS, &[], &ABOVE);
    let circle = |rest: &&str| format!("these import each other in a circle: {rest}");
    let known: Vec<String> = OPEN_CIRCLES.iter().map(circle).collect();
    let news: Vec<_> = violations.iter().filter(|violation| !known.contains(violation)).collect();
    assert!(news.is_empty(), "{} violations:\n{news:#?}", news.len());
    let gone: Vec<_> = known.iter().filter(|circle| !violations.contains(circle)).collect();
    assert!(gone.is_empty(), "no longer so, take them off the list: {gone:#?}");
}

#[test]
fn the_files_of_other_crates_have_an_order() {
    let files: BTreeMap<_, _> = source::rust_files("").into_iter().collect();
    // Libraries and programs of several files; a program of one file has no order to keep.
    let roots = files.keys().filter(|path| path.ends_with("lib.rs") || path.ends_with("main.rs"));
    let folders: BTreeSet<&Path> = roots.filter_map(|path| path.parent()).collect();
    let (mut checked, mut violations) = (BTreeSet::new(), Vec::new());
    for folder in folders.iter().copied().filter(|folder| *folder != Path::new("src")) {
        let inside = files.iter().filter_map(|(path, text)| {
            let home = path.ancestors().skip(1).find(|parent| folders.contains(parent));
            let inside = path.strip_prefix(folder).ok().filter(|_| home == Some(folder))?;
            Some((inside.to_string_lossy().replace('\\', "/"), text))
        });
        // As one room of a house, so that its root is the room's face.
        let sources = inside.filter(|(inside, _)| !inside.starts_with("bin/")).map(|(inside, text)| {
            let inside =
                if matches!(inside.as_str(), "lib.rs" | "main.rs") { "mod.rs".into() } else { inside };
            (format!("room/{inside}"), text.replace("crate::", "crate::room::"))
        });
        let found = check(&sources.collect(), &[&["room"]], &[], &[]);
        violations.extend(found.into_iter().map(|violation| format!("{}: {violation}", folder.display())));
        checked.extend(folder.iter().take(2).map(|part| part.to_string_lossy().into_owned()));
    }
    assert!(violations.is_empty(), "{} violations:\n{violations:#?}", violations.len());
    let members = source::members();
    let unseen: Vec<_> = members.iter().filter(|member| !checked.contains(*member)).collect();
    assert!(!members.is_empty() && unseen.is_empty(), "not looked at: {unseen:?}");
}

type Module = Vec<String>;

/// A file of the house.
#[derive(Default)]
struct File {
    name: String,
    /// Names that it passes on, with the whole path of each.
    exports: BTreeMap<String, Module>,
    /// Modules all of whose names it passes on, with the line where it says so.
    globs: Vec<(usize, Module)>,
    /// Names that it makes itself.
    defines: BTreeSet<String>,
    /// Names that stand in it without a path in front of them.
    mentions: BTreeSet<String>,
    imports: Vec<(usize, Module)>,
}

/// Reads the sources (paths within `src`) and says what is against the rules.
fn check(
    sources: &BTreeMap<String, String>,
    floors: &[&[&str]],
    beside: &[&str],
    above: &[&str],
) -> Vec<String> {
    let files = read(sources);
    let floor_of = |room: &str| floors.iter().position(|rooms| rooms.contains(&room));
    let mut violations = rooms_and_table(&files, floors, &[beside, above].concat());
    let mut edges: BTreeMap<&Module, BTreeSet<Module>> = BTreeMap::new();
    for (module, file) in files.iter().filter(|(module, _)| !module.is_empty()) {
        for (line, path) in &file.imports {
            let place = format!("{}:{line}", file.name);
            let Some(target) = resolve(&files, path, 0) else {
                let path = path.join("::");
                violations.push(format!(
                    "{place}: crate::{path} goes through lib.rs; import it from its own module"
                ));
                continue;
            };
            let (from, to) = (&module[0], &target[0]);
            if from == to {
                edges.entry(module).or_default().insert(target.clone());
                continue;
            }
            if above.contains(&to.as_str()) {
                violations.push(format!("{place}: {from} imports {to}, but {to} stands above the house"));
                continue;
            }
            if above.contains(&from.as_str()) {
                continue;
            }
            let beside = [from, to].into_iter().find(|room| beside.contains(&room.as_str()));
            if let Some(room) = beside {
                violations.push(format!("{place}: {from} imports {to}, but {room} stands beside the house"));
            } else if let (Some(own), Some(other)) = (floor_of(from), floor_of(to))
                && own <= other
            {
                let (own, other) = (own + 1, other + 1);
                violations.push(format!("{place}: {from} (floor {own}) imports {to} (floor {other})"));
            }
        }
    }
    violations.extend(circles(&files, &edges));
    violations
}

/// Every file has a room with a floor, and every room of the table exists.
fn rooms_and_table(files: &BTreeMap<Module, File>, floors: &[&[&str]], beside: &[&str]) -> Vec<String> {
    let known: BTreeSet<&str> = floors.iter().copied().flatten().chain(beside).copied().collect();
    let rooms: BTreeSet<&str> = files.keys().filter_map(|module| Some(module.first()?.as_str())).collect();
    let strangers = rooms.difference(&known).map(|room| format!("{room} has no floor in the table"));
    let ghosts = known.difference(&rooms).map(|room| format!("{room} is in the table, but not in src"));
    strangers.chain(ghosts).collect()
}

/// Files of one room that can reach each other in a circle.
fn circles(files: &BTreeMap<Module, File>, edges: &BTreeMap<&Module, BTreeSet<Module>>) -> Vec<String> {
    let reachable = |from: &Module| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(module) = open.pop() {
            for next in edges.get(&module).into_iter().flatten() {
                if next != &module && seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&Module, BTreeSet<Module>> =
        files.keys().map(|module| (module, reachable(module))).collect();
    let mut found = BTreeSet::new();
    for (module, all) in &reach {
        if all.contains(*module) {
            let circle = all.iter().filter(|other| reach[other].contains(*module));
            let names: BTreeSet<&str> = circle.map(|other| files[other].name.as_str()).collect();
            found.insert(names.into_iter().collect::<Vec<_>>().join(", "));
        }
    }
    found.into_iter().map(|names| format!("these import each other in a circle: {names}")).collect()
}

/// All files but those that hold only tests.
fn read(sources: &BTreeMap<String, String>) -> BTreeMap<Module, File> {
    let mut files = BTreeMap::new();
    let mut tests: Vec<Module> = Vec::new();
    let modules: BTreeSet<Module> = sources.keys().map(|name| module_of(name)).collect();
    for (name, text) in sources {
        let module = module_of(name);
        let (tokens, test_modules) = source::without_tests(&source::tokens(text));
        tests.extend(test_modules.into_iter().map(|test| [module.clone(), vec![test]].concat()));
        let mut file = File { name: format!("src/{name}"), ..File::default() };
        read_names(&tokens, &mut file);
        read_paths(&tokens, &module, &modules, &mut file);
        files.insert(module, file);
    }
    files.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    while expand_globs(&mut files) {}
    files
}

/// Makes names of `pub use module::*`; true if there were any that were not known.
fn expand_globs(files: &mut BTreeMap<Module, File>) -> bool {
    let mut found = Vec::new();
    for (module, file) in &*files {
        for (line, target) in &file.globs {
            let Some(passed) = files.get(target) else { continue };
            for name in passed.defines.iter().chain(passed.exports.keys()) {
                if !file.exports.contains_key(name) && !file.defines.contains(name) {
                    found.push((module.clone(), *line, [target.clone(), vec![name.clone()]].concat()));
                }
            }
        }
    }
    for (module, line, path) in &found {
        if let Some(file) = files.get_mut(module) {
            file.pass_on(*line, path.last().cloned().unwrap_or_default(), path);
        }
    }
    !found.is_empty()
}

impl File {
    fn pass_on(&mut self, line: usize, name: String, path: &Module) {
        if self.mentions.contains(&name) {
            self.imports.push((line, path.clone()));
        }
        self.exports.insert(name, path.clone());
    }
}

/// Reads which names a file makes, and which it mentions outside of its `use` lines.
fn read_names(tokens: &[Token], file: &mut File) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is("use") {
            at += tokens[at..].iter().position(|token| token.is(";")).unwrap_or(0);
        } else if token.is_word() {
            let before = at.checked_sub(1).map_or("", |before| tokens[before].text.as_str());
            if matches!(before, "struct" | "enum" | "trait" | "type" | "fn" | "const" | "static") {
                file.defines.insert(token.text.clone());
            } else if !matches!(before, "::" | "." | "mod") {
                file.mentions.insert(token.text.clone());
            }
        }
        at += 1;
    }
}

fn module_of(name: &str) -> Module {
    let path = Path::new(name).with_extension("");
    let mut parts: Module = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

/// Finds every path that starts at the crate, at `super`, at `self`, or at a module below this one.
fn read_paths(tokens: &[Token], module: &Module, modules: &BTreeSet<Module>, file: &mut File) {
    let mut at = 0;
    let mut passes_on = false;
    while at < tokens.len() {
        let token = &tokens[at];
        if token.is("use") {
            passes_on = is_public(&tokens[..at]);
        } else if token.is(";") {
            passes_on = false;
        }
        let begins =
            at == 0 || !tokens[at - 1].is("::") && !tokens[at - 1].is("in") && !tokens[at - 1].is("$");
        let followed = tokens.get(at + 1).is_some_and(|next| next.is("::"));
        if !(begins && followed && token.is_word() && starts_here(token, module, modules)) {
            at += 1;
            continue;
        }
        let mut leaves = Vec::new();
        let length = tree(&tokens[at..], &Vec::new(), &mut leaves);
        for (path, alias) in leaves {
            let child = [module.clone(), vec![path[0].clone()]].concat();
            let Some(path) = absolute(module, path) else { continue };
            // A `mod.rs` that passes on what its own files define is their face; their user only if it mentions it.
            let face = (path.starts_with(&child) || path.starts_with(module)) && !module.is_empty();
            match path.split_last() {
                Some((last, whole)) if passes_on && last == "*" => {
                    file.globs.push((token.line, whole.to_vec()))
                }
                Some((last, _)) if passes_on => {
                    file.pass_on(token.line, alias.unwrap_or_else(|| last.clone()), &path);
                }
                _ => {}
            }
            if !(passes_on && face) {
                file.imports.push((token.line, path));
            }
        }
        at += length;
    }
}

fn is_public(before: &[Token]) -> bool {
    match before.last() {
        Some(token) if token.is(")") => {
            let open = before.iter().rposition(|token| token.is("(")).unwrap_or(0);
            open > 0 && before[open - 1].is("pub")
        }
        Some(token) => token.is("pub"),
        None => false,
    }
}

fn starts_here(token: &Token, module: &Module, modules: &BTreeSet<Module>) -> bool {
    matches!(token.text.as_str(), "crate" | "super" | "self")
        || modules.contains(&[module.clone(), vec![token.text.clone()]].concat())
}

/// Reads a path or a tree of paths; returns how many tokens it took.
fn tree(tokens: &[Token], prefix: &Module, leaves: &mut Vec<(Module, Option<String>)>) -> usize {
    let mut path = prefix.clone();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is("{") {
            let end = at + source::group(&tokens[at..]);
            at += 1;
            while at < end - 1 {
                at += tree(&tokens[at..end - 1], &path, leaves).max(1);
                at += usize::from(tokens[at].is(","));
            }
            return end;
        }
        if !(token.is_word() || token.is("*")) {
            break;
        }
        if !token.is("self") || path.is_empty() {
            path.push(token.text.clone());
        }
        at += 1;
        match tokens.get(at) {
            Some(next) if next.is("::") => at += 1,
            _ => break,
        }
    }
    let alias = tokens.get(at).filter(|next| next.is("as")).and_then(|_| tokens.get(at + 1));
    if let Some(alias) = alias {
        at += 2;
        leaves.push((path, Some(alias.text.clone())));
    } else if path.len() > prefix.len() || at > 0 {
        leaves.push((path, None));
    }
    at
}

/// The path from the crate's root.
fn absolute(module: &Module, path: Module) -> Option<Module> {
    let mut base = module.clone();
    let mut rest = path.as_slice();
    match path.first()?.as_str() {
        "crate" => {
            base.clear();
            rest = &rest[1..];
        }
        "self" => rest = &rest[1..],
        "super" => {
            while rest.first().is_some_and(|part| part == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        _ => {}
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The file that defines what a path names; none if that is `lib.rs`.
fn resolve(files: &BTreeMap<Module, File>, path: &Module, depth: usize) -> Option<Module> {
    let known = (0..=path.len()).rev().find(|length| files.contains_key(&path[..*length]))?;
    let (module, rest) = path.split_at(known);
    if let Some(exported) = rest.first().and_then(|item| files[module].exports.get(item))
        && depth < 8
        && !module.is_empty()
    {
        return resolve(files, exported, depth + 1);
    }
    (!module.is_empty()).then(|| module.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUSE: [&[&str]; 3] = [&["ground", "cellar"], &["middle"], &["top"]];

    /// What the checker says about a small house with these files in it.
    fn verdict(changes: &[(&str, &str)]) -> Vec<String> {
        let mut sources: BTreeMap<String, String> = [
            (
                "lib.rs",
                "mod ground; mod cellar; mod middle; mod top; mod beside; mod above; pub use middle::Thing;",
            ),
            ("ground.rs", "pub struct Stone;"),
            ("cellar.rs", "pub struct Coal;"),
            ("middle/mod.rs", "mod one; mod two; pub use one::Thing; use crate::ground::Stone;"),
            ("middle/one.rs", "pub struct Thing;"),
            ("middle/two.rs", "use super::one::Thing; use crate::{cellar::Coal, ground};"),
            ("top.rs", "use crate::middle::Thing;"),
            ("beside.rs", "pub struct Shed;"),
            ("above.rs", "use crate::{beside::Shed, ground::Stone, top};"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into();
        sources.extend(changes.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        check(&sources, &HOUSE, &["beside"], &["above"])
    }

    #[test]
    fn a_house_in_order_passes() {
        assert_eq!(verdict(&[]), [""; 0]);
    }

    #[test]
    fn up_and_sideways_are_seen_wherever_they_stand() {
        let cases = [
            ("use crate::middle::Thing;", "src/ground.rs:1: ground (floor 1) imports middle (floor 2)"),
            ("\n\nuse crate::cellar::Coal;", "src/ground.rs:3: ground (floor 1) imports cellar (floor 1)"),
            ("use super::top;", "src/ground.rs:1: ground (floor 1) imports top (floor 3)"),
            (
                "fn f() -> crate::top::Roof { todo() }",
                "src/ground.rs:1: ground (floor 1) imports top (floor 3)",
            ),
            ("use crate::{middle::{self}};", "src/ground.rs:1: ground (floor 1) imports middle (floor 2)"),
            (
                "pub(crate) use crate::middle::Thing as Other;",
                "src/ground.rs:1: ground (floor 1) imports middle (floor 2)",
            ),
            (
                "use crate::beside::Shed;",
                "src/ground.rs:1: ground imports beside, but beside stands beside the house",
            ),
            (
                "use crate::above::Roof;",
                "src/ground.rs:1: ground imports above, but above stands above the house",
            ),
            (
                "use crate::Thing;",
                "src/ground.rs:1: crate::Thing goes through lib.rs; import it from its own module",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(verdict(&[("ground.rs", text)]), [expected], "{text}");
        }
    }

    #[test]
    fn what_stands_beside_imports_nothing() {
        let expected = "src/beside.rs:1: beside imports ground, but beside stands beside the house";
        assert_eq!(verdict(&[("beside.rs", "use crate::ground::Stone;")]), [expected]);
    }

    #[test]
    fn comments_texts_and_tests_are_no_imports() {
        let text = r##"
            // use crate::top::Roof;
            /* crate::top /* nested */ crate::top::Roof */
            pub(crate) fn f<'a>(c: &'a char) { let _ = ("crate::top::Roof", r#"crate::top"#, '"', c == &'\''); }
            #[cfg(test)]
            #[rustfmt::skip]
            mod tests { use crate::top::Roof; fn g() { if true { } } }
            #[cfg(test)]
            mod more;
            #[test]
            fn h() { crate::top::roof(); }
            pub struct Stone;
        "##;
        assert_eq!(verdict(&[("ground.rs", text), ("ground/more.rs", "use crate::top::Roof;")]), [""; 0]);
        let untested = text.replace("#[cfg(test)]", "");
        assert_eq!(verdict(&[("ground.rs", &untested)]).len(), 1);
    }

    #[test]
    fn a_circle_within_a_room_is_seen_through_re_exports() {
        let circle = "these import each other in a circle: src/middle/one.rs, src/middle/two.rs";
        assert_eq!(verdict(&[("middle/one.rs", "use super::two::Other; pub struct Thing;")]), [circle]);
        let changes = [
            ("middle/mod.rs", "mod one; mod two; pub use one::Thing; pub(crate) use two::Other;"),
            ("middle/one.rs", "use super::Other; pub struct Thing;"),
            ("middle/two.rs", "use crate::middle::Thing; pub struct Other;"),
        ];
        assert_eq!(verdict(&changes), [circle]);
    }

    #[test]
    fn a_face_may_define_what_its_files_use_but_not_use_them_as_well() {
        let uses_mod = ("middle/two.rs", "use super::Trait;");
        assert_eq!(
            verdict(&[("middle/mod.rs", "mod one; mod two; pub use one::Thing; trait Trait {}"), uses_mod]),
            [""; 0]
        );
        let both =
            ("middle/mod.rs", "mod one; mod two; pub use one::Thing; trait Trait {} fn f() { two::g() }");
        let circle = "these import each other in a circle: src/middle/mod.rs, src/middle/two.rs";
        assert_eq!(verdict(&[both, uses_mod]), [circle]);
    }

    #[test]
    fn a_face_that_uses_what_it_passes_on_is_its_user() {
        let back = ("middle/one.rs", "use super::Trait; pub struct Thing;");
        let circle = "these import each other in a circle: src/middle/mod.rs, src/middle/one.rs";
        let faces = [
            ("pub use one::Thing;", "fn f() -> Thing { two() }"),
            ("pub use one::Thing as Other;", "struct House { other: Other }"),
            ("pub use self::one::*;", "impl Thing {}"),
            ("pub(crate) use crate::middle::{one::Thing, two};", "fn f(_: &Thing);"),
        ];
        for (passes_on, uses) in faces {
            let face = format!("mod one; mod two; {passes_on} trait Trait {{ fn thing() -> a::Thing; }}");
            assert_eq!(verdict(&[("middle/mod.rs", &face), back]), [""; 0], "{face}");
            let user = face + uses;
            assert_eq!(verdict(&[("middle/mod.rs", &user), back]), [circle], "{user}");
        }
    }

    #[test]
    fn the_table_and_the_folder_agree() {
        assert_eq!(verdict(&[("attic.rs", "")]), ["attic has no floor in the table"]);
        let sources = BTreeMap::from([(String::from("lib.rs"), String::new())]);
        assert_eq!(check(&sources, &[&["ground"]], &[], &[]), ["ground is in the table, but not in src"]);
    }
}
