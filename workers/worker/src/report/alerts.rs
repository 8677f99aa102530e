//! [`NewestAlerts`]: the last few alerts that the broker has, for people to look at.
//!
//! They are kept as they were sent, and taken apart only when somebody asks for the report.

use std::collections::VecDeque;

use serde_json::Value;
use sluice_contract::report::AlertReport;

/// So many are kept.
const MOST_ALERTS: usize = 5;
/// Reports stay below their bound: more reasons than this are left out, and longer texts are cut.
const MOST_REASONS: usize = 8;
const LONGEST_TEXT: usize = 64;

/// An alert that the broker has acknowledged.
#[derive(Clone, Debug, Default)]
pub struct AcknowledgedAlert {
    /// Time from the message's arrival to the acknowledgement.
    pub latency_us: u64,
    /// When its row was; `None` where it has no event time.
    pub event_time_us: Option<i64>,
    /// The key under which it was sent.
    pub key: Option<String>,
    /// The JSON object that was sent: [`sluice_engine::Alert::body`].
    pub body: Vec<u8>,
}

/// The last few alerts that the broker has.
#[derive(Debug, Default)]
pub(super) struct NewestAlerts {
    /// Each with the time of its acknowledgement, the newest last.
    alerts: VecDeque<(i64, AcknowledgedAlert)>,
}

impl NewestAlerts {
    /// Notes an alert that was acknowledged at `now_ms`.
    pub(super) fn note(&mut self, now_ms: i64, alert: AcknowledgedAlert) {
        if self.alerts.len() == MOST_ALERTS {
            self.alerts.pop_front();
        }
        self.alerts.push_back((now_ms, alert));
    }

    /// What the report says, the newest first.
    pub(super) fn report(&self) -> Vec<AlertReport> {
        self.alerts
            .iter()
            .rev()
            .map(|(acknowledged_at_ms, alert)| report(*acknowledged_at_ms, alert))
            .collect()
    }
}

fn report(acknowledged_at_ms: i64, alert: &AcknowledgedAlert) -> AlertReport {
    let body: Value = serde_json::from_slice(&alert.body).unwrap_or_default();
    let text = |value: &Value| shortened(value.as_str().unwrap_or_default());
    let reasons = body["reasons"].as_array().into_iter().flatten();
    AlertReport {
        // Whole, for it is to be looked up; Kafka bounds its length.
        alert_id: body["alert_id"].as_str().unwrap_or_default().to_owned(),
        key: alert.key.as_deref().map(shortened),
        event_time_us: alert.event_time_us,
        score: body["fraud_score"].as_i64().unwrap_or_default(),
        level: text(&body["risk_level"]),
        reasons: reasons.take(MOST_REASONS).map(text).collect(),
        acknowledged_at_ms,
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_contract::report::MAX_REPORT_BYTES;

    use super::*;

    fn alert(offset: usize, reasons: &[&str]) -> AcknowledgedAlert {
        let body = json!({
            "user_id": 7, "fraud_score": 80, "risk_level": "CRITICAL", "reasons": reasons,
            "alert_id": format!("payments/3/{offset}")
        });
        AcknowledgedAlert {
            latency_us: 1,
            event_time_us: Some(1_000_000),
            key: Some("7".to_owned()),
            body: body.to_string().into_bytes(),
        }
    }

    #[test]
    fn the_newest_alerts_come_first_and_tell_who_raised_them_and_why() {
        let mut newest = NewestAlerts::default();
        for offset in 0..8 {
            newest.note(1_000 + offset as i64, alert(offset, &["known_fraud", "velocity"]));
        }
        let alerts = newest.report();
        let expected = AlertReport {
            alert_id: "payments/3/7".to_owned(),
            key: Some("7".to_owned()),
            event_time_us: Some(1_000_000),
            score: 80,
            level: "CRITICAL".to_owned(),
            reasons: ["known_fraud", "velocity"].map(str::to_owned).to_vec(),
            acknowledged_at_ms: 1_007,
        };
        assert_eq!(alerts[0], expected);
        let identities: Vec<&str> = alerts.iter().map(|alert| alert.alert_id.as_str()).collect();
        assert_eq!(identities, [7, 6, 5, 4, 3].map(|offset| format!("payments/3/{offset}")));
    }

    #[test]
    fn however_long_their_texts_alerts_are_a_small_part_of_a_report() {
        let mut newest = NewestAlerts::default();
        let long = "\u{1F600}".repeat(10_000);
        for offset in 0..8 {
            let key = Some(long.clone());
            newest.note(0, AcknowledgedAlert { key, ..alert(offset, &[long.as_str(); 100]) });
        }
        let text = serde_json::to_string(&newest.report()).expect("text keys only");
        assert!(text.len() < MAX_REPORT_BYTES / 4, "{} bytes", text.len());
    }
}
