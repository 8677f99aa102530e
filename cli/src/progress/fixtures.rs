//! A pipeline of two workers and its scorer of one, as tests see them.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;
use sluice_contract::report::{AlertReport, GoldReport, GoldTableReport, Report, ScoringReport, TableReport};

use crate::snapshot::{PipelineSnapshot, ScorerSnapshot, WorkerSnapshot};
use crate::supervise::ChildState;

pub(crate) fn table(name: &str, version: u64, rows: u64) -> TableReport {
    TableReport { name: name.to_owned(), version, rows, files: version + 1, bytes: rows * 80 }
}

pub(crate) fn report(shard: u32) -> Report {
    let report = json!({
        "formatVersion": 1, "job": "ingest", "shard": shard, "shards": 2, "writer": format!("w-{shard}"),
        "configuration": "c0ffee", "phase": "Running", "problems": [], "startedAtMs": 1_000,
        "epoch": 40 + shard, "committedAtMs": 90_000 + i64::from(shard), "lag": 600 + shard,
        "freshnessMs": 2_100 - 100 * shard, "messagesPerSecond": 5_006.0,
        "counts": {
            "messages": 1_000, "bytes": 500_000, "bronze": 990, "silver": 950, "duplicates": 20, "keyMismatches": 0,
            "refused": {"decode": {"MalformedJson": 10}, "silver": {"NonPositiveAmount": 20}}
        },
        "partitions": [
            {"partition": shard, "nextOffset": 1_000, "endOffset": 1_600, "watermarkUs": 80_000_000, "idle": false}
        ],
        "tables": [],
    });
    let mut report: Report = serde_json::from_value(report).expect("a Report");
    let version = 80 + u64::from(shard);
    report.tables = vec![
        table("quarantine", 7, 60),
        table("silver", version, 1_900),
        table("bronze", version, 1_204_311),
    ];
    report
}

/// An alert of the message at an offset.
pub(crate) fn alert(offset: i64, acknowledged_at_ms: i64) -> AlertReport {
    AlertReport {
        alert_id: format!("sales/0/{offset}"),
        key: Some(format!("user-{offset}")),
        event_time_us: Some(1_767_643_200_000_000),
        score: 10,
        level: "HIGH".to_owned(),
        reasons: vec!["old".to_owned()],
        acknowledged_at_ms,
    }
}

/// Two tables of windows.
pub(crate) fn gold() -> GoldReport {
    let table = |name: &str, corrections| GoldTableReport {
        name: format!("gold/{name}"),
        interval_ms: 40_000,
        is_stretched: false,
        published_rows: 0,
        corrections,
    };
    GoldReport {
        epoch: 4,
        published_at_ms: Some(90_000),
        open_windows: 12,
        groups: 3_400,
        memory_bytes: 1_000_000,
        spilled_files: 0,
        stalled_partitions: Vec::new(),
        tables: vec![table("user", 2), table("merchant", 3)],
    }
}

pub(crate) fn worker(shard: u32) -> WorkerSnapshot {
    WorkerSnapshot {
        name: format!("shop-stpl-ingest-{shard}"),
        shard,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 20_000 + shard as u16)),
        process: ChildState::Running { pid: 100 + shard },
        report: Some(report(shard)),
    }
}

pub(crate) fn pipeline() -> PipelineSnapshot {
    let resource = json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "StreamPipeline", "metadata": {"name": "shop"},
        "spec": {
            "source": {
                "kafka": {"bootstrapServers": "kafka:9092", "topic": "sales"}, "format": "Json",
                "schema": "{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"at\",\"type\":\"string\"}]}",
                "eventTime": {"column": "at"}
            },
            "storage": {"uri": "s3://lake/shop"}, "shards": 2, "silver": {"columns": [{"name": "at"}]}
        }
    });
    PipelineSnapshot {
        resource: serde_json::from_value(resource).expect("a StreamPipeline"),
        namespace: "default".to_owned(),
        name: "shop".to_owned(),
        lake: "file:///state/lake/default/shop".to_owned(),
        bootstrap_servers: "127.0.0.1:9092".to_owned(),
        configuration: None,
        rules: None,
        replay: None,
        workers: vec![worker(0), worker(1)],
    }
}

pub(crate) fn scorer() -> ScorerSnapshot {
    let resource = json!({
        "apiVersion": "sluice.dev/v1alpha1", "kind": "FraudScorer", "metadata": {"name": "shop"},
        "spec": {
            "pipelineRef": {"name": "shop"}, "table": {"name": "scores", "columns": ["at"]},
            "rules": [{"name": "old", "when": "at < '2000'", "points": 10}],
            "levels": [{"name": "LOW", "minScore": 0}, {"name": "HIGH", "minScore": 10}],
            "alerts": {"topic": "alerts", "alertAt": "HIGH"}, "model": {"modelDeploymentRef": {"name": "m"}}
        }
    });
    let mut report = report(0);
    report.job = "score-shop".to_owned();
    report.tables = vec![table("fraud/scores", 5, 1_900)];
    report.counts.scoring.alerts = 7;
    report.counts.scoring.levels = [("HIGH".to_owned(), 7), ("LOW".to_owned(), 1_893)].into();
    report.counts.scoring.rules = [("old".to_owned(), 7)].into();
    report.scoring = Some(ScoringReport {
        rule_set: Some("5afe".to_owned()),
        reading_label: vec!["old".to_owned()],
        alert_latency_ms: Some(8),
        alert_share: Some(0.004),
        newest_alerts: vec![alert(7, 2_000), alert(3, 1_000)],
    });
    ScorerSnapshot {
        resource: serde_json::from_value(resource).expect("a FraudScorer"),
        namespace: "default".to_owned(),
        name: "shop".to_owned(),
        lake: "file:///state/lake/default/shop".to_owned(),
        bootstrap_servers: "127.0.0.1:9092".to_owned(),
        configuration: None,
        rules: None,
        replay: None,
        workers: vec![WorkerSnapshot {
            name: "shop-fscr-score-0".to_owned(),
            report: Some(report),
            ..worker(0)
        }],
    }
}
