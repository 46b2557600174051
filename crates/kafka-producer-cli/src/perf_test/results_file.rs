//! `--json FILE`: all results, for programs.
//!
//! Owns: the names in the file. Must not know: how the results came about.
//! Holds: what is no number in JSON (an average of nothing) is null.

use kafka_producer::{Metric, MetricValue, Metrics};
use serde_json::{Value, json};

use super::failures::FailureKind;
use super::perf_load::PerfLoad;
use super::perf_measurements::PerfResults;
use super::perf_tally::Summary;
use super::timeline::TimelinePoint;

/// The text of the file.
pub(super) fn text(load: &PerfLoad, results: &PerfResults, metrics: &Metrics, ended_early: bool) -> String {
    let failures = |failure: &FailureKind| {
        json!({
            "kind": failure.kind.to_string(),
            "code": failure.code,
            "records": failure.records,
            "message": failure.message,
        })
    };
    let value = json!({
        "topic": load.topic,
        "num_records": load.records,
        "warmup_records": load.warmup_records,
        "threads": load.threads,
        "throughput": (load.throughput >= 0.0).then_some(load.throughput),
        "transaction_duration_ms": load.transaction.map(|time| time.as_millis() as u64),
        "ended_early": ended_early,
        "total": summary(&results.all),
        "steady_state": results.steady.as_ref().map(summary),
        "failed_records": results.failures.records(),
        "failures": results.failures.iter().map(failures).collect::<Vec<_>>(),
        "timeline": results.timeline.iter().map(point).collect::<Vec<_>>(),
        "metrics": metrics.iter().map(metric).collect::<Vec<_>>(),
    });
    format!("{value:#}\n")
}

fn summary(summary: &Summary) -> Value {
    let [p50, p95, p99, p99_9] = summary.latency_ms;
    json!({
        "records": summary.records,
        "bytes": summary.bytes,
        "seconds": summary.seconds,
        "records_per_second": summary.records_per_second,
        "mib_per_second": summary.mib_per_second,
        "latency_ms": {
            "avg": summary.latency_ms_avg,
            "p50": p50,
            "p95": p95,
            "p99": p99,
            "p99.9": p99_9,
            "max": summary.latency_ms_max,
        },
    })
}

fn point(point: &TimelinePoint) -> Value {
    let latency = |[p50, p95, p99, p99_9, max]: [f64; 5]| json!({ "p50": p50, "p95": p95, "p99": p99, "p99.9": p99_9, "max": max });
    json!({
        "seconds": point.seconds,
        "records": point.records,
        "records_per_second": point.records_per_second,
        "mib_per_second": point.mib_per_second,
        "latency_ms": point.latency_ms.map(latency),
    })
}

fn metric(metric: &Metric) -> Value {
    let value = match metric.value() {
        MetricValue::Number(number) => json!(number),
        other => json!(other.to_string()),
    };
    json!({
        "group": metric.group(),
        "name": metric.name(),
        "tags": metric.tags().collect::<std::collections::BTreeMap<_, _>>(),
        "unit": metric.unit(),
        "value": value,
    })
}
