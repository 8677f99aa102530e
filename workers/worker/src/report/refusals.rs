//! Under which stages and reasons a configuration can refuse messages. Pure.
//!
//! A counter that appears with its first event cannot show that event as an increase, so all that can
//! occur are exposed from the start.

use sluice_contract::config::{Format, WorkerConfig};
use sluice_contract::reasons;

/// Every stage and reason that can occur.
pub fn possible(config: &WorkerConfig) -> Vec<(&'static str, String)> {
    let decode: &[&str] = match config.source.format {
        Format::Json => &[reasons::MALFORMED_JSON],
        Format::Avro => &[reasons::MALFORMED_AVRO, reasons::UNKNOWN_SCHEMA_ID, reasons::TRAILING_BYTES],
    };
    let decode = decode.iter().chain(&[reasons::EMPTY_VALUE, reasons::MISSING_FIELD, reasons::WRONG_TYPE]);
    let future = config.source.event_time.refuse_future_beyond_ms.map(|_| reasons::FUTURE_TIMESTAMP);
    let silver = config.silver.require.iter().map(|rule| rule.reason.as_str());
    let silver = silver.chain(future).chain([reasons::EXPRESSION_FAILED]);
    let named = |stage| move |reason: &str| (stage, reason.to_owned());
    decode
        .copied()
        .map(named(reasons::STAGE_DECODE))
        .chain(silver.map(named(reasons::STAGE_SILVER)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_support::configuration;

    fn reasons_of(config: &WorkerConfig) -> Vec<String> {
        possible(config).into_iter().map(|(stage, reason)| format!("{stage}/{reason}")).collect()
    }

    #[test]
    fn the_reasons_are_those_of_the_format_and_of_the_rules() {
        let config = configuration(|document| {
            document["silver"]["require"] = json!([{"reason": "TooCold", "expr": "celsius > -273"}]);
        });
        assert_eq!(
            reasons_of(&config),
            [
                "decode/MalformedJson",
                "decode/EmptyValue",
                "decode/MissingField",
                "decode/WrongType",
                "silver/TooCold",
                "silver/ExpressionFailed",
            ]
        );
    }

    #[test]
    fn avro_and_a_bound_of_the_future_have_reasons_of_their_own() {
        let config = configuration(|document| {
            document["source"]["format"] = json!("Avro");
            document["source"]["eventTime"]["refuseFutureBeyondMs"] = json!(1_000);
        });
        let found = reasons_of(&config);
        for reason in ["decode/UnknownSchemaId", "decode/TrailingBytes", "silver/FutureTimestamp"] {
            assert!(found.iter().any(|found| found == reason), "{reason} is not in {found:?}");
        }
        assert!(!found.contains(&"decode/MalformedJson".to_owned()));
    }
}
