//! What the command line asks for.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use kafka_producer::ProducerConfig;
use kafka_producer_benchmarks::Failure;
use kafka_producer_benchmarks::work::{Mode, Work};

use crate::case::{BrokerKind, Case, Contestant, PROGRAMS, Times};
use crate::case_table::CASES;

/// What `--help` prints.
pub(crate) const USAGE: &str = "usage: compare [OPTION …]
  --rounds N              how often each contestant does each case (3)
  --case TEXT,=NAME       only the cases whose name contains one of these; with =, the case of this name
  --clients A,B           only these of floor, echo, librdkafka, java, franz-go, ours, ours-counted;
                          and krafka, confluent-kafka, which take part only when they are named here
  --window MS             how long a run is measured (1000)
  --set CLIENT NAME=VALUE one more property for one of them
  --real-time             clients and sinks run at real-time priority: quiet figures on a machine that others use; needs root
  --markdown FILE         write the tables there too
  --chart FILE            draw rates and CPU times, as SVG
  --save FILE             write the figures of each run there
  --from FILE             measure nothing, read such a file
  --quick                 short runs, one round, nothing is judged
  --check                 only see that the sink gets what the clients were given
  --list                  the names of the cases
  --help                  this";

/// The options.
#[derive(Debug)]
pub(crate) struct Options {
    /// None: as many as `--quick` or its absence says.
    rounds: Option<usize>,
    filter: Vec<String>,
    programs: Vec<String>,
    /// None: as long as `--quick`, `--check` or their absence says.
    window: Option<Duration>,
    /// Program, name and value.
    properties: Vec<(String, String, String)>,
    pub(crate) real_time: bool,
    pub(crate) markdown: Option<PathBuf>,
    pub(crate) chart: Option<PathBuf>,
    pub(crate) save: Option<PathBuf>,
    pub(crate) from: Option<PathBuf>,
    pub(crate) quick: bool,
    pub(crate) check: bool,
    pub(crate) list: bool,
    pub(crate) help: bool,
}

const JAVA_WARM_UP: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;
const QUICK_ROUNDS: usize = 1;
const WINDOW: Duration = Duration::from_millis(1000);
const QUICK_WINDOW: Duration = Duration::from_millis(50);
const CHECK_WINDOW: Duration = Duration::from_millis(300);
const CONNECTS: u64 = 200;
const QUICK_CONNECTS: u64 = 5;

impl Options {
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Options, Failure> {
        let mut options = Options {
            rounds: None,
            filter: Vec::new(),
            programs: PROGRAMS
                .iter()
                .filter(|(program, _)| program.is_default())
                .map(|(_, name)| (*name).to_owned())
                .collect(),
            window: None,
            properties: Vec::new(),
            real_time: false,
            markdown: None,
            chart: None,
            save: None,
            from: None,
            quick: false,
            check: false,
            list: false,
            help: false,
        };
        while let Some(arg) = args.next() {
            options.take(&arg, &mut args)?;
        }
        let known = |name: &str| PROGRAMS.iter().any(|(_, known)| *known == name);
        let set = options.properties.iter().map(|(client, _, _)| client);
        if let Some(other) = options.programs.iter().chain(set).find(|name| !known(name)) {
            return Err(format!("there is no client \"{other}\"\n{USAGE}").into());
        }
        let names_none =
            |text: &&String| text.is_empty() || !CASES.iter().any(|case| matches(text, case.name));
        if let Some(text) = options.filter.iter().find(names_none) {
            return Err(format!("there is no case for \"{text}\"; --list prints all of them").into());
        }
        options.check_properties()?;
        if options.from.is_some() && options.save.is_some() {
            return Err("--from measures nothing, so that --save has nothing to write".into());
        }
        if options.cases().all(|case| options.contestants(case).is_empty()) {
            return Err("none of these clients takes part in one of these cases".into());
        }
        Ok(options)
    }

    fn take(&mut self, arg: &str, args: &mut impl Iterator<Item = String>) -> Result<(), Failure> {
        let mut next = || args.next().ok_or_else(|| format!("{arg} needs a value\n{USAGE}"));
        let words = |list: String| list.split(',').map(str::to_owned).collect();
        match arg {
            "--rounds" => self.rounds = Some(from_one(arg, &next()?)?),
            "--case" => self.filter = words(next()?),
            "--clients" => self.programs = words(next()?),
            "--window" => self.window = Some(Duration::from_millis(from_one(arg, &next()?)?)),
            "--set" => {
                let (client, pair) = (next()?, next()?);
                let (name, value) = pair
                    .split_once('=')
                    .ok_or_else(|| format!("--set {client} {pair}: the property has the form NAME=VALUE"))?;
                self.properties.push((client, name.to_owned(), value.to_owned()));
            }
            "--real-time" => self.real_time = true,
            "--markdown" => self.markdown = Some(next()?.into()),
            "--chart" => self.chart = Some(next()?.into()),
            "--save" => self.save = Some(next()?.into()),
            "--from" => self.from = Some(next()?.into()),
            "--quick" => self.quick = true,
            "--check" => self.check = true,
            "--list" => self.list = true,
            "--help" | "-h" => self.help = true,
            _ => return Err(format!("unknown argument {arg}\n{USAGE}").into()),
        }
        Ok(())
    }

    /// What can be known of the properties before anything runs. librdkafka and confluent-kafka have names of their own, and refuse
    /// others when they start.
    fn check_properties(&self) -> Result<(), Failure> {
        for (client, name, value) in &self.properties {
            let Some((program, _)) = PROGRAMS.iter().find(|(_, known)| known == client) else { continue };
            let refused = |why: &str| Failure::from(format!("--set {client} {name}={value}: {why}"));
            if !self.programs.contains(client) {
                return Err(refused("--clients leaves this client out"));
            }
            if !program.takes_properties() {
                return Err(refused("this client takes no properties"));
            }
            if program.has_our_names() && !ProducerConfig::reference().any(|known| known.name() == name) {
                return Err(refused("there is no such setting; docs/configuration.md has all of them"));
            }
            if program.is_ours() {
                let checked = ProducerConfig::from_properties([(name.as_str(), value.as_str())]);
                checked.map_err(|error| refused(&error.to_string()))?;
            }
        }
        Ok(())
    }

    /// What was asked for counts, wherever it stands.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { QUICK_ROUNDS } else { ROUNDS })
    }

    fn window(&self) -> Duration {
        self.window.unwrap_or(match (self.check, self.quick) {
            (true, _) => CHECK_WINDOW,
            (false, true) => QUICK_WINDOW,
            (false, false) => WINDOW,
        })
    }

    /// Those that were asked for.
    pub(crate) fn cases(&self) -> impl Iterator<Item = &'static Case> + use<> {
        let filter = self.filter.clone();
        let wanted =
            move |case: &&Case| filter.is_empty() || filter.iter().any(|text| matches(text, case.name));
        CASES.iter().filter(wanted)
    }

    /// Those of a case that take part.
    pub(crate) fn contestants(&self, case: &Case) -> Vec<Contestant> {
        let wanted = |who: &&Contestant| self.programs.contains(&who.program.to_string());
        case.contestants.iter().filter(wanted).copied().collect()
    }

    /// What does not vary is measured once.
    pub(crate) fn rounds_of(&self, case: &Case) -> usize {
        match case.mode {
            Mode::Idle | Mode::Memory => 1,
            _ => self.rounds(),
        }
    }

    /// The work of a contestant, with the properties that were given for it.
    pub(crate) fn work(&self, case: &Case, who: Contestant) -> Work {
        let connects = if self.quick { QUICK_CONNECTS } else { CONNECTS };
        let hurries = self.quick || self.check;
        let window = self.window();
        // The broker on Apache Kafka has to warm up as well.
        let warm_up = if case.broker == BrokerKind::Kafka { window } else { window * 3 / 10 };
        let java = if hurries { window * 3 } else { JAVA_WARM_UP };
        let times = Times { warm_up, window, java, connects };
        let mut work = case.work(who, times);
        let own = self.properties.iter().filter(|(client, _, _)| *client == who.program.to_string());
        work.properties.extend(own.map(|(_, name, value)| (name.clone(), value.clone())));
        work
    }
}

/// Whether a text of `--case` means the case of this name.
fn matches(text: &str, name: &str) -> bool {
    match text.strip_prefix('=') {
        Some(whole) => name == whole,
        None => name.contains(text),
    }
}

/// A number of an option, 1 or more.
fn from_one<T: FromStr + PartialOrd + From<u8>>(arg: &str, word: &str) -> Result<T, Failure> {
    let number = word.parse().ok().filter(|number| *number >= T::from(1));
    number.ok_or_else(|| format!("{arg} {word}: it takes a whole number, 1 or more").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{CONTESTANTS, Program};

    fn read(words: &[&str]) -> Result<Options, Failure> {
        Options::read(words.iter().map(|&word| word.to_owned()))
    }

    #[test]
    fn two_clients_take_part_only_when_they_are_named() -> Result<(), Failure> {
        let takes_part = |options: &Options, program| {
            options.cases().any(|case| options.contestants(case).iter().any(|who| who.program == program))
        };
        let (all, asked) = (read(&[])?, read(&["--clients", "ours,krafka,confluent-kafka"])?);
        for (program, name) in PROGRAMS {
            let is_asked_for = matches!(program, Program::Krafka | Program::ConfluentKafka);
            assert_eq!(takes_part(&all, program), !is_asked_for, "{name}");
            assert_eq!(takes_part(&asked, program), is_asked_for || program == Program::Ours, "{name}");
        }
        // And no bar is measured by them.
        assert_eq!(CONTESTANTS.iter().filter(|who| who.is_peer()).count(), 3);
        Ok(())
    }

    #[test]
    fn cases_are_chosen_by_a_part_of_their_names_or_by_the_whole() -> Result<(), Failure> {
        let names = |text| -> Result<Vec<&str>, Failure> {
            Ok(read(&["--case", text])?.cases().map(|case| case.name).collect())
        };
        assert_eq!(names("=100B-16KiB,cold")?, ["100B-16KiB", "cold-start-20ms"]);
        assert!(names("100B-16KiB")?.len() > 3);
        assert!(names("=100B").is_err());
        Ok(())
    }

    #[test]
    fn rounds_and_window_that_were_asked_for_count_wherever_they_stand() -> Result<(), Failure> {
        let of = |words: &[&str]| read(words).map(|options| (options.rounds(), options.window().as_millis()));
        assert_eq!(of(&[])?, (3, 1000));
        assert_eq!(of(&["--quick"])?, (1, 50));
        assert_eq!(of(&["--check"])?, (3, 300));
        for quick in ["--quick", "--check"] {
            assert_eq!(of(&[quick, "--rounds", "2", "--window", "20"])?, (2, 20));
            assert_eq!(of(&["--rounds", "2", "--window", "20", quick])?, (2, 20));
        }
        Ok(())
    }

    #[test]
    fn properties_that_their_client_has_are_taken() -> Result<(), Failure> {
        for (client, pair) in
            [("ours", "linger.ms=1"), ("java", "linger.ms=1"), ("librdkafka", "queue.buffering.max.ms=1")]
        {
            let options = read(&["--set", client, pair])?;
            assert_eq!(options.properties.len(), 1, "{client}");
        }
        Ok(())
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_can() {
        let refused: [(&[&str], &str); 17] = [
            (&["--rouns", "2"], "unknown argument --rouns"),
            (&["--rounds"], "--rounds needs a value"),
            (&["--rounds", "0"], "--rounds 0: it takes a whole number, 1 or more"),
            (&["--window", "1s"], "--window 1s: it takes a whole number, 1 or more"),
            (&["--clients", "kafka"], "there is no client \"kafka\""),
            (&["--case", "nosuch"], "there is no case for \"nosuch\""),
            (&["--case", "=100B-16KiB,nosuch"], "there is no case for \"nosuch\""),
            (&["--case", ""], "there is no case for \"\""),
            (&["--set", "ours", "linger.mss=1"], "--set ours linger.mss=1: there is no such setting"),
            (&["--set", "java", "linger.mss=1"], "--set java linger.mss=1: there is no such setting"),
            (&["--set", "ours", "linger.ms=abc"], "--set ours linger.ms=abc: Invalid value abc"),
            (&["--set", "floor", "linger.ms=1"], "--set floor linger.ms=1: this client takes no properties"),
            (&["--set", "ours", "linger.ms=1", "--clients", "java"], "--clients leaves this client out"),
            (
                &["--from", "one", "--save", "one"],
                "--from measures nothing, so that --save has nothing to write",
            ),
            (&["--set", "our", "linger.ms=1"], "there is no client \"our\""),
            (&["--set", "ours", "linger.ms"], "--set ours linger.ms: the property has the form NAME=VALUE"),
            (&["--clients", "java", "--case", "memory"], "none of these clients takes part"),
        ];
        for (words, message) in refused {
            let told = read(words).map(|_| ()).map_err(|error| error.to_string());
            assert!(told.as_ref().is_err_and(|told| told.contains(message)), "{words:?}: {told:?}");
        }
    }

    #[test]
    fn each_client_is_named_where_one_looks_for_it() {
        let page = include_str!("../../../README.md");
        for (_, name) in PROGRAMS {
            assert!(USAGE.contains(name), "{name}");
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }
}
