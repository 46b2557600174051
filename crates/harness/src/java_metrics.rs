//! What Java's producer measures of loads that are given to it.
//!
//! Must not know: what the producer under test measures.

use std::collections::BTreeMap;

use super::jars::KafkaJars;

/// Settings, and the steps that follow: the words of `LoadMetrics.java`, where they are explained.
pub struct JavaLoad {
    pub settings: Vec<(String, String)>,
    pub steps: Vec<String>,
}

/// Group, name, and tags in order of their names.
pub type MetricKey = (String, String, Vec<(String, String)>);

impl KafkaJars {
    /// All metrics of Java's producer after each load, as texts.
    pub fn metrics_of(&self, loads: &[JavaLoad]) -> Vec<BTreeMap<MetricKey, String>> {
        let input: String = loads.iter().map(written).collect();
        let output =
            self.java_source("LoadMetrics.java", include_str!("LoadMetrics.java"), &[], input.as_bytes());
        let text = output.text();
        let loads = text.split_terminator("\n\n");
        loads.map(|load| load.lines().map(metric).collect()).collect()
    }
}

fn written(load: &JavaLoad) -> String {
    let settings = load.settings.iter().map(|(name, value)| format!("set {name}={value}\n"));
    let steps = load.steps.iter().map(|step| format!("{step}\n"));
    settings.chain(steps).chain(["\n".to_owned()]).collect()
}

fn metric(line: &str) -> (MetricKey, String) {
    let [group, name, tags, value] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
    let tags = tags.split_terminator(',').filter_map(|tag| tag.split_once('='));
    let tags = tags.map(|(tag, value)| (tag.to_owned(), value.to_owned())).collect();
    ((group.to_owned(), name.to_owned(), tags), value.to_owned())
}
