use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ReportError, Reporters};

fn document() -> Value {
    json!({
        "formatVersion": 1, "job": "ingest", "shard": 0, "shards": 1, "writer": "w", "configuration": "c",
        "phase": "Running", "problems": [], "startedAtMs": 0, "epoch": 3, "committedAtMs": 5, "lag": 7,
        "freshnessMs": 900, "messagesPerSecond": 1.5, "partitions": [], "tables": [],
        "counts": {"messages": 0, "bytes": 0, "bronze": 0, "silver": 0, "duplicates": 0, "keyMismatches": 0}
    })
}

/// A worker that gives one answer.
fn worker(answer: Vec<u8>, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let _ = stream.read(&mut [0; 4096]);
        thread::sleep(delay);
        // The other side may have had enough.
        let _ = stream.write_all(&answer);
    });
    address
}

fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn ask(answer: Vec<u8>, delay: Duration) -> Result<sluice_contract::report::Report, ReportError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let address = worker(answer, delay);
    runtime.block_on(async { Reporters::new().expect("a client").ask(address).await })
}

#[test]
fn a_report_is_read() {
    let report = ask(response("200 OK", "", &document().to_string()), Duration::ZERO).expect("a report");
    assert_eq!((report.lag, report.epoch), (Some(7), Some(3)));
}

#[test]
fn what_is_no_report_is_said_to_be_none() {
    let error = |answer: Vec<u8>| ask(answer, Duration::ZERO).expect_err("no report");
    assert!(matches!(error(response("500 Oh", "", "")), ReportError::Status { .. }));
    assert!(matches!(error(response("200 OK", "", "{}")), ReportError::Unreadable { .. }));
    let long = format!("\"{}\"", "x".repeat(70_000));
    assert!(matches!(error(response("200 OK", "", &long)), ReportError::TooLong { .. }));
    let redirect = response("302 Found", "Location: http://169.254.169.254/\r\n", "");
    assert!(matches!(error(redirect), ReportError::Status { .. }), "redirects are not followed");
    let mut newer = document();
    newer["formatVersion"] = json!(99);
    assert!(matches!(
        error(response("200 OK", "", &newer.to_string())),
        ReportError::Format { found: 99, .. }
    ));
}

#[test]
fn a_worker_that_is_slow_is_not_waited_for() {
    let started = Instant::now();
    let error = ask(response("200 OK", "", "{}"), Duration::from_secs(20)).expect_err("no report");
    assert!(matches!(error, ReportError::Silent { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn texts_of_a_report_are_cut_and_reasons_are_words() {
    let mut long = document();
    long["problems"] = json!([
        {"reason": "Bad Reason!", "message": "x".repeat(5_000)},
        {"reason": "TopicMissing", "message": "m"}
    ]);
    long["tables"] = json!([{"name": "n".repeat(200), "version": 1, "rows": 1, "files": 1, "bytes": 1}]);
    let report = ask(response("200 OK", "", &long.to_string()), Duration::ZERO).expect("a report");
    assert_eq!(report.problems[0].reason, "Unknown");
    assert_eq!(report.problems[0].message.chars().count(), 1_000);
    assert_eq!(report.problems[1].reason, "TopicMissing");
    assert_eq!(report.tables, []);
}

#[test]
fn alerts_are_about_people_and_go_no_further() {
    let mut with_alerts = document();
    with_alerts["scoring"] = json!({"ruleSet": "5afe", "readingLabel": [], "newestAlerts": [{
        "alertId": "payments/3/7", "key": "alice", "eventTimeUs": 0, "score": 80, "level": "HIGH", "reasons": [],
        "acknowledgedAtMs": 0
    }]});
    let report = ask(response("200 OK", "", &with_alerts.to_string()), Duration::ZERO).expect("a report");
    let scoring = report.scoring.expect("a scorer's report");
    assert_eq!((scoring.rule_set.as_deref(), scoring.newest_alerts), (Some("5afe"), Vec::new()));
}
