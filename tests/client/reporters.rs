//! Reporters of metrics: they are called again and again, once more at the end, on a thread of their own.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::{AGES, cluster, config, to_first};
use kafka_producer::{
    ErrorKind, KafkaProducer, KafkaProducerBuilder, Metric, Metrics, MetricsReporter, Properties,
};

type Client = KafkaProducer<str, str>;

/// Tells what happens to it.
struct Telling {
    name: String,
    interval: Duration,
    tell: Sender<String>,
}

impl Telling {
    fn new(name: &str, interval: Duration, tell: &Sender<String>) -> Telling {
        Telling { name: name.to_owned(), interval, tell: tell.clone() }
    }
}

impl MetricsReporter for Telling {
    fn configure(
        &mut self,
        properties: &Properties<'_>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if properties.get("the.name") == Some("unhappy") {
            return Err("not with these settings".into());
        }
        self.name = format!("{} of {}", self.name, properties.get("client.id").unwrap_or_default());
        Ok(())
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn report(&mut self, metrics: &Metrics) {
        let sent = metrics.get("producer-metrics", "record-send-total", &[]).and_then(Metric::number);
        let thread = thread::current();
        let _ =
            self.tell.send(format!("{} {} {}", self.name, sent.unwrap(), thread.name().unwrap_or_default()));
        assert!(self.name != "panics", "it does");
    }

    fn close(&mut self) {
        let _ = self.tell.send(format!("{} closed", self.name));
    }
}

fn builder(
    cluster: &kafka_embedded::EmbeddedCluster,
    settings: &[(&str, &str)],
) -> KafkaProducerBuilder<str, str> {
    Client::builder(config(&cluster.bootstrap_servers(), settings))
}

const NEVER: Duration = Duration::MAX;
const OFTEN: Duration = Duration::ZERO;

#[test]
fn each_gets_the_metrics_again_and_again_and_once_more_at_the_end() {
    let (cluster, (tell, told)) = (cluster(1), mpsc::channel());
    let producer = builder(&cluster, &[("client.id", "shop")])
        .metrics_reporter(Telling::new("rare", NEVER, &tell))
        .metrics_reporter(Telling::new("often", OFTEN, &tell))
        .build()
        .unwrap();
    producer.send(to_first("one")).unwrap().get_timeout(AGES).unwrap();
    let line = "often 1 kafka-producer-metrics | shop";
    assert!(std::iter::from_fn(|| told.recv_timeout(AGES).ok()).any(|said| said == line));
    producer.close().unwrap();
    // All of it has happened when `close` returns.
    let said: Vec<String> = told.try_iter().collect();
    let end = ["rare 1 kafka-producer-metrics | shop", "rare closed", line, "often closed"];
    assert_eq!(said[said.len() - 4..], end);
    assert!(said.iter().filter(|said| said.starts_with("rare")).count() == 2, "{said:?}");
}

#[test]
fn those_named_in_the_settings_are_configured_and_java_s_own_is_left_out() {
    let (cluster, (tell, told)) = (cluster(1), mpsc::channel());
    let tell = Mutex::new(tell);
    let tell = Arc::new(tell);
    let made = |settings: &[(&str, &str)]| {
        let tell = Arc::clone(&tell);
        builder(&cluster, settings)
            .register_metrics_reporter("com.example.One", move || {
                Box::new(Telling::new("One", NEVER, &tell.lock().unwrap()))
            })
            .build()
    };
    let jmx = "org.apache.kafka.common.metrics.JmxReporter";
    let both = format!("{jmx},One");
    for names in ["com.example.One", "One", &both] {
        let producer = made(&[("metric.reporters", names), ("client.id", "shop")]).unwrap();
        producer.close().unwrap();
        let said: Vec<String> = told.try_iter().collect();
        assert_eq!(said, ["One of shop 0 kafka-producer-metrics | shop", "One of shop closed"], "{names}");
    }
    for names in [jmx, "JmxReporter", ""] {
        made(&[("metric.reporters", names)]).unwrap().close().unwrap();
        assert!(told.try_recv().is_err(), "{names}");
    }
    let error = made(&[("metric.reporters", "com.example.Oen")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.to_string(),
        "metric.reporters is \"com.example.Oen\", which is not a known reporter of metrics; did you mean com.example.One? (known are \
         com.example.One; one of your own has to be registered under its name)"
    );
    let error = made(&[("metric.reporters", "One"), ("the.name", "unhappy")]).unwrap_err();
    assert_eq!(error.to_string(), "metric.reporters: not with these settings");
}

#[test]
fn one_that_panics_harms_no_other_and_is_called_again() {
    let (cluster, (tell, told)) = (cluster(1), mpsc::channel());
    let producer = builder(&cluster, &[])
        .metrics_reporter(Telling::new("panics", OFTEN, &tell))
        .metrics_reporter(Telling::new("other", NEVER, &tell))
        .build()
        .unwrap();
    let panicked =
        std::iter::from_fn(|| told.recv_timeout(AGES).ok()).filter(|said| said.starts_with("panics"));
    assert_eq!(panicked.take(3).count(), 3);
    producer.send(to_first("one")).unwrap().get_timeout(AGES).unwrap();
    producer.close().unwrap();
    let said: Vec<String> = told.try_iter().collect();
    assert!(said[said.len() - 4].starts_with("panics 1"), "{said:?}");
    assert!(
        said[said.len() - 2].starts_with("other 1") && said[said.len() - 1] == "other closed",
        "{said:?}"
    );
}

/// Calls the producer from where it is called.
struct Meddling {
    producer: Arc<Mutex<Option<Client>>>,
    tell: Sender<Result<(), ErrorKind>>,
}

impl MetricsReporter for Meddling {
    fn interval(&self) -> Duration {
        OFTEN
    }

    fn report(&mut self, _: &Metrics) {
        if let Some(producer) = self.producer.lock().unwrap().take() {
            let _ = self.tell.send(producer.flush().map_err(|error| error.kind()));
            let _ = self.tell.send(producer.close().map_err(|error| error.kind()));
        }
    }
}

#[test]
fn a_report_may_call_the_producer_and_waits_for_nothing_there() {
    let (cluster, (tell, told)) = (cluster(1), mpsc::channel());
    let place = Arc::new(Mutex::new(None));
    let meddling = Meddling { producer: Arc::clone(&place), tell };
    let producer = builder(&cluster, &[]).metrics_reporter(meddling).build().unwrap();
    *place.lock().unwrap() = Some(producer.clone());
    assert_eq!(told.recv_timeout(AGES).unwrap(), Err(ErrorKind::IllegalState));
    assert_eq!(told.recv_timeout(AGES).unwrap(), Ok(()));
    producer.close().unwrap();
    assert_eq!(producer.send(to_first("late")).unwrap_err().kind(), ErrorKind::Closed);
}
