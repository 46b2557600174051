//! `config.providers`: variables such as `${env:PASSWORD}` in values, replaced when the producer is created.
//!
//! Owns: Java's three stock providers, under Java's class names, and the syntax of variables. Must not know: what the
//! settings mean.
//! Holds: what a provider gives may be secret and is never printed; errors show the variable instead.

use std::collections::BTreeMap;
use std::env::VarError;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use regex_lite::Regex;

use super::faults::Faults;
use super::properties_file;
use super::properties_table::find;
use super::property::{PropertyValue, trim};
use super::remarks::Remarks;
use crate::error::Error;
use crate::escape::Escaped;

/// Whether a name belongs to a provider: `config.providers.NAME.class`, `config.providers.NAME.param.OPTION`.
pub(super) fn is_parameter(name: &str) -> bool {
    name.starts_with("config.providers.")
}

/// Whether a name is about providers at all.
pub(super) fn is_provider(name: &str) -> bool {
    name == "config.providers" || is_parameter(name)
}

/// Whether its value may be shown: a class, or an option that we know. Others may be the password of somebody's own
/// provider.
pub(super) fn is_shown(name: &str) -> bool {
    let known = [".class", ".param.allowlist.pattern", ".param.allowed.paths"];
    is_parameter(name) && known.iter().any(|end| name.ends_with(end))
}

/// The values with their variables replaced. A variable that its provider does not know stays as it is, as in Java,
/// with a warning in the log; so does one of no provider, and, silently, whatever only looks like a variable.
///
/// A value with a variable that cannot be replaced is a fault, and is left out.
pub(super) fn replace_variables(
    given: &BTreeMap<String, String>,
    remarks: &mut Remarks,
    faults: &mut Faults,
) -> BTreeMap<String, String> {
    let providers = providers(given, remarks, faults);
    let mut replaced = BTreeMap::new();
    for (name, text) in given {
        if find(name).is_some() && has_variable_of_nobody(text, &providers) {
            let name = Escaped(name);
            remarks.warn(format!(
                "{name} holds a variable (${{…}}) for which config.providers has no provider; it stays as it is"
            ));
        }
        let value = match providers.is_empty() {
            true => Ok(text.clone()),
            false => replace(text, &providers, remarks),
        };
        let value = value.map_err(|error| Error::config(format!("{}: {error}", Escaped(name))));
        replaced.extend(faults.keep(value).map(|value| (name.clone(), value)));
    }
    replaced
}

enum Provider {
    /// Only variables whose whole name matches.
    Environment(Regex),
    File(AllowedPaths),
    Directory(AllowedPaths),
}

/// The directories and files below which a provider may read; `None`: all.
struct AllowedPaths(Option<Vec<PathBuf>>);

fn providers(
    given: &BTreeMap<String, String>,
    remarks: &mut Remarks,
    faults: &mut Faults,
) -> BTreeMap<String, Provider> {
    let text = find("config.providers").zip(given.get("config.providers"));
    // A list that cannot be read is told of with the other settings.
    let Some(Ok(PropertyValue::List(names))) = text.map(|(property, text)| property.parse(text, text)) else {
        return BTreeMap::new();
    };
    let mut known = BTreeMap::new();
    for name in names {
        let provider = faults.keep(provider(&name, given, remarks));
        known.extend(provider.map(|provider| (name, provider)));
    }
    known
}

fn provider(name: &str, given: &BTreeMap<String, String>, remarks: &mut Remarks) -> Result<Provider, Error> {
    let class_name = format!("config.providers.{name}.class");
    let Some(class) = given.get(&class_name).map(|class| trim(class)) else {
        return Err(Error::config(format!(
            "Missing required configuration \"{}\" for {} in config.providers: {CLASSES}",
            Escaped(&class_name),
            Escaped(name)
        )));
    };
    let prefix = format!("config.providers.{name}.param.");
    let options: BTreeMap<&str, &str> =
        given.iter().filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?, value.as_str()))).collect();
    let (provider, known) = match class.strip_prefix(PACKAGE).unwrap_or(class) {
        "EnvVarConfigProvider" => (Provider::Environment(allowed_variables(&prefix, &options)?), ALLOWLIST),
        "FileConfigProvider" => {
            (Provider::File(AllowedPaths::read(&prefix, &options, remarks)?), ALLOWED_PATHS)
        }
        "DirectoryConfigProvider" => {
            (Provider::Directory(AllowedPaths::read(&prefix, &options, remarks)?), ALLOWED_PATHS)
        }
        _ => {
            let (class, class_name) = (Escaped(class), Escaped(&class_name));
            let message = format!("Invalid value {class} for configuration {class_name}: {CLASSES}");
            return Err(Error::config(message));
        }
    };
    match options.keys().find(|option| **option != known) {
        Some(option) => Err(Error::config(format!(
            "{} is not an option of {class}; the only one is {}",
            Escaped(&format!("{prefix}{option}")),
            Escaped(&format!("{prefix}{known}"))
        ))),
        None => Ok(provider),
    }
}

/// The names that a variable may have: all of them, or those that match as a whole. Java's patterns can more than
/// these (look around, back references); what cannot be read is refused: to ignore it would open what it is meant to
/// close.
fn allowed_variables(prefix: &str, options: &BTreeMap<&str, &str>) -> Result<Regex, Error> {
    let pattern = options.get(ALLOWLIST).map_or(".*", |pattern| trim(pattern));
    let whole = Regex::new(pattern).and_then(|_| Regex::new(&format!(r"\A(?:{pattern})\z")));
    whole.map_err(|error| {
        Error::config(format!(
            "Invalid value {} for configuration {}: {}; expected a regular expression without look-around and back \
             references",
            Escaped(pattern),
            Escaped(&format!("{prefix}{ALLOWLIST}")),
            Escaped(&error.to_string())
        ))
    })
}

impl AllowedPaths {
    /// As in Java an empty text allows everything; of blanks only it is a path that is not absolute.
    fn read(
        prefix: &str,
        options: &BTreeMap<&str, &str>,
        remarks: &mut Remarks,
    ) -> Result<AllowedPaths, Error> {
        let Some(text) = options.get(ALLOWED_PATHS) else {
            return Ok(AllowedPaths(None));
        };
        let setting = format!("{prefix}{ALLOWED_PATHS}");
        let setting = Escaped(&setting);
        if text.is_empty() {
            remarks.warn(format!("{setting} is empty: as in Java, every path may be read"));
            return Ok(AllowedPaths(None));
        }
        let mut paths = Vec::new();
        for path in text.split(',').map(|path| normalize(Path::new(trim(path)))) {
            let problem = match () {
                () if !path.is_absolute() => "must be absolute",
                () if !path.exists() => "does not exist",
                () => {
                    paths.push(path);
                    continue;
                }
            };
            return Err(Error::config(format!(
                "Invalid value {} for configuration {setting}: the path \"{}\" {problem}",
                Escaped(text),
                Escaped(&path.display().to_string())
            )));
        }
        Ok(AllowedPaths(Some(paths)))
    }

    /// The path, if it may be read.
    fn admit(&self, path: &str, remarks: &mut Remarks) -> Option<PathBuf> {
        let Some(allowed) = &self.0 else { return Some(PathBuf::from(path)) };
        let path = normalize(Path::new(path));
        let admitted = allowed.iter().any(|allowed| path.starts_with(allowed));
        if !admitted {
            remarks.warn(format!(
                "the path {} is not among the {ALLOWED_PATHS} of its provider",
                path.display()
            ));
        }
        admitted.then_some(path)
    }
}

/// Java's `Path.normalize`: `.` and `..` are taken out of the text; links are not followed.
fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            Component::ParentDir if normal.has_root() => {}
            part => normal.push(part),
        }
    }
    normal
}

/// Something in it is written as a variable, such as `${env:PASSWORD}` or Spring's `${PASSWORD}`, and of no provider.
fn has_variable_of_nobody(text: &str, providers: &BTreeMap<String, Provider>) -> bool {
    let names = text.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
    let mut names = names.map(|(inner, _)| inner.split_once(':').map_or(inner, |(provider, _)| provider));
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    names.any(|name| !name.is_empty() && name.chars().all(is_word) && !providers.contains_key(name))
}

/// `${provider:key}` and `${provider:path:key}`; the path ends at the first colon, and the key at the first brace.
fn replace(
    text: &str,
    providers: &BTreeMap<String, Provider>,
    remarks: &mut Remarks,
) -> Result<String, Error> {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, variable) = rest.split_at(start);
        replaced.push_str(before);
        // Without an end nothing is a variable any more, and without a colon nothing up to that end is one.
        let Some((whole, after)) = variable.find('}').map(|end| variable.split_at(end + 1)) else {
            rest = variable;
            break;
        };
        rest = after;
        let parts = whole.get(2..whole.len() - 1).and_then(|inner| inner.split_once(':'));
        let Some((provider, key)) = parts else {
            replaced.push_str(whole);
            continue;
        };
        let value = match providers.get(provider) {
            Some(provider) => {
                let (path, key) = key.split_once(':').unwrap_or(("", key));
                let value = provider.value(path, key, remarks).map_err(|error| {
                    Error::config(format!("the variable {} cannot be replaced: {error}", Escaped(whole)))
                })?;
                if value.is_none() {
                    remarks.warn(format!("nothing is known of the variable {whole}; it stays as it is"));
                }
                value
            }
            None => None,
        };
        replaced.push_str(value.as_deref().unwrap_or(whole));
    }
    replaced.push_str(rest);
    Ok(replaced)
}

impl Provider {
    fn value(&self, path: &str, key: &str, remarks: &mut Remarks) -> Result<Option<String>, Error> {
        match self {
            Provider::Environment(_) if !path.is_empty() => Err(Error::config(
                "an environment variable has no path: ${NAME:VARIABLE} is expected, with one colon",
            )),
            Provider::Environment(allowed) if allowed.is_match(key) => environment(key),
            Provider::Environment(_) => {
                let known = environment(key)?.is_some();
                if known {
                    remarks.warn(format!("the variable {key} is not in the {ALLOWLIST} of its provider"));
                }
                Ok(None)
            }
            Provider::File(_) | Provider::Directory(_) if path.is_empty() => Ok(None),
            Provider::File(allowed) => match allowed.admit(path, remarks) {
                Some(path) => in_file(&path, key),
                None => Ok(None),
            },
            Provider::Directory(allowed) => match allowed.admit(path, remarks) {
                Some(path) => in_directory(&path, key),
                None => Ok(None),
            },
        }
    }
}

fn environment(key: &str) -> Result<Option<String>, Error> {
    if key.is_empty() || key.contains(['=', '\0']) {
        return Ok(None);
    }
    match std::env::var(key) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Error::config("its value is not UTF-8")),
    }
}

fn in_file(path: &Path, key: &str) -> Result<Option<String>, Error> {
    let pairs = properties_file::read(path)?;
    Ok(pairs.into_iter().rev().find(|pair| pair.name == key).map(|pair| pair.value))
}

/// The content of the file `key`, which must lie in the directory itself.
fn in_directory(directory: &Path, key: &str) -> Result<Option<String>, Error> {
    let mut parts = Path::new(key).components();
    let is_name =
        matches!((parts.next(), parts.next()), (Some(Component::Normal(name)), None) if name == key);
    let file = directory.join(key);
    let is_missing = || file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    // A directory is no entry, as in Java's.
    if !is_name || is_missing() || file.is_dir() {
        return Ok(None);
    }
    let shown = file.display().to_string();
    let unreadable =
        |problem: &str| Error::config(format!("the file {} cannot be read: {problem}", Escaped(&shown)));
    let bytes = properties_file::read_small(&file).map_err(|(problem, _)| unreadable(&problem))?;
    String::from_utf8(bytes).map(Some).map_err(|_| unreadable("it is not UTF-8"))
}

const PACKAGE: &str = "org.apache.kafka.common.config.provider.";
const CLASSES: &str = "expected one of org.apache.kafka.common.config.provider.EnvVarConfigProvider, \
                       FileConfigProvider, DirectoryConfigProvider";
const ALLOWLIST: &str = "allowlist.pattern";
const ALLOWED_PATHS: &str = "allowed.paths";

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(pairs: &[(&str, &str)]) -> Result<BTreeMap<String, String>, Error> {
        let given = pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        let mut faults = Faults::default();
        let replaced = replace_variables(&given, &mut Remarks::default(), &mut faults);
        faults.into_result().map(|()| replaced)
    }

    const ENV: [(&str, &str); 2] = [
        ("config.providers", "env"),
        ("config.providers.env.class", "org.apache.kafka.common.config.provider.EnvVarConfigProvider"),
    ];

    fn with_environment(text: &str) -> Result<String, Error> {
        let values = replaced(&[ENV[0], ENV[1], ("client.id", text)])?;
        Ok(values["client.id"].clone())
    }

    #[test]
    fn without_providers_a_value_stays_as_it_is() {
        assert_eq!(replaced(&[("a", "${env:PATH}")]).unwrap()["a"], "${env:PATH}");
    }

    #[test]
    fn variables_are_replaced_as_java_reads_them() {
        let package = env!("CARGO_PKG_NAME");
        for (text, expected) in [
            ("${env:CARGO_PKG_NAME}", package.to_owned()),
            ("a-${env:CARGO_PKG_NAME}-${env:CARGO_PKG_NAME}.", format!("a-{package}-{package}.")),
            ("${env::CARGO_PKG_NAME}", package.to_owned()),
            ("${no:CARGO_PKG_NAME}", "${no:CARGO_PKG_NAME}".to_owned()),
            ("${env:NO_SUCH_VARIABLE_1}", "${env:NO_SUCH_VARIABLE_1}".to_owned()),
            ("${plain} ${env:CARGO_PKG_NAME}", format!("${{plain}} {package}")),
            ("${env:CARGO_PKG_NAME", "${env:CARGO_PKG_NAME".to_owned()),
            ("${}${env:}$ {", "${}${env:}$ {".to_owned()),
            ("\u{e4}${env:CARGO_PKG_NAME}\u{e4}", format!("\u{e4}{package}\u{e4}")),
        ] {
            assert_eq!(with_environment(text).unwrap(), expected, "{text}");
        }
        let error = with_environment("${env:path:CARGO_PKG_NAME}").unwrap_err().to_string();
        assert!(error.contains("client.id") && error.contains("${env:path:CARGO_PKG_NAME}"), "{error}");
    }

    #[test]
    fn a_provider_needs_a_known_class_and_known_options() {
        for (pairs, words) in [
            (vec![ENV[0]], ["config.providers.env.class", "EnvVarConfigProvider"]),
            (vec![ENV[0], ("config.providers.env.class", "x.Vault")], ["x.Vault", "FileConfigProvider"]),
            (
                vec![ENV[0], ENV[1], ("config.providers.env.param.allowlist.patern", "A")],
                ["allowlist.patern", "param.allowlist.pattern"],
            ),
            (
                vec![ENV[0], ENV[1], ("config.providers.env.param.allowlist.pattern", "A)|(B")],
                ["A)|(B", "expected a regular expression"],
            ),
        ] {
            let error = replaced(&pairs).unwrap_err().to_string();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }

    #[test]
    fn a_variable_is_read_only_if_its_whole_name_is_in_the_allowlist() {
        let package = env!("CARGO_PKG_NAME");
        for (pattern, allowed) in [
            (".*", true),
            ("CARGO_PKG_NAME", true),
            ("CARGO_[A-Z_]+", true),
            ("PATH|CARGO_PKG_NAME", true),
            ("CARGO", false),
            ("PKG_NAME", false),
            ("cargo_.*", false),
            ("(?i)cargo_.*", true),
            ("CARGO|PATH", false),
            ("", false),
        ] {
            let option = ("config.providers.env.param.allowlist.pattern", pattern);
            let text = "${env:CARGO_PKG_NAME}";
            let values = replaced(&[ENV[0], ENV[1], option, ("client.id", text)]).unwrap();
            assert_eq!(values["client.id"], if allowed { package } else { text }, "{pattern}");
        }
        let look_ahead = ("config.providers.env.param.allowlist.pattern", "(?=CARGO).*");
        assert!(replaced(&[ENV[0], ENV[1], look_ahead]).unwrap_err().to_string().contains("look-around"));
    }

    #[test]
    fn files_and_directories_are_read_only_where_allowed() {
        let directory = std::env::temp_dir().join(format!("kafka-producer-providers-{}", std::process::id()));
        let (open, closed) = (directory.join("open"), directory.join("closed"));
        std::fs::create_dir_all(&open).unwrap();
        std::fs::create_dir_all(&closed).unwrap();
        for place in [&open, &closed] {
            std::fs::write(place.join("secrets"), "password=tiger\npassword=lion\n").unwrap();
        }
        let value = |class: &str, text: &str| {
            let class = format!("{PACKAGE}{class}");
            let given = [
                ("config.providers", "p"),
                ("config.providers.p.class", &class),
                ("config.providers.p.param.allowed.paths", open.to_str().unwrap()),
                ("x", text),
            ];
            replaced(&given).unwrap()["x"].clone()
        };
        let (inside, outside) = (open.display(), closed.display());
        let secrets = "password=tiger\npassword=lion\n";
        let left = |text: String| (text.clone(), text);
        for (class, (text, expected)) in [
            ("FileConfigProvider", (format!("${{p:{inside}/secrets:password}}"), "lion".to_owned())),
            ("FileConfigProvider", left(format!("${{p:{inside}/secrets:other}}"))),
            ("FileConfigProvider", left(format!("${{p:{outside}/secrets:password}}"))),
            ("FileConfigProvider", left(format!("${{p:{inside}/../closed/secrets:password}}"))),
            ("FileConfigProvider", left("${p:password}".to_owned())),
            ("DirectoryConfigProvider", (format!("${{p:{inside}:secrets}}"), secrets.to_owned())),
            ("DirectoryConfigProvider", left(format!("${{p:{inside}:other}}"))),
            ("DirectoryConfigProvider", left(format!("${{p:{inside}:../closed/secrets}}"))),
            ("DirectoryConfigProvider", left(format!("${{p:{outside}:secrets}}"))),
        ] {
            assert_eq!(value(class, &text), expected, "{class} {text}");
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn allowed_paths_are_absolute_and_exist() {
        for (paths, problem) in [
            ("a/b", "absolute"),
            ("/no/such/directory", "does not exist"),
            ("   ", "absolute"),
            (",", "absolute"),
            ("/,", "absolute"),
            (" , ", "absolute"),
        ] {
            let error = replaced(&[
                ("config.providers", "p"),
                ("config.providers.p.class", "FileConfigProvider"),
                ("config.providers.p.param.allowed.paths", paths),
            ]);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(problem) && error.contains(paths), "{error}");
        }
    }

    #[test]
    fn paths_are_normalized_as_text() {
        for (path, expected) in [("/a/./b/../c", "/a/c"), ("/../a", "/a"), ("../a", "../a"), ("a/..", "")] {
            assert_eq!(normalize(Path::new(path)), Path::new(expected), "{path}");
        }
    }
}
