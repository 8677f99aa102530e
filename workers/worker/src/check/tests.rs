use serde_json::json;

use super::*;
use crate::test_support::configuration;

fn fields(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.field.as_str()).collect()
}

fn check_offline(config: &WorkerConfig) -> Vec<Finding> {
    check_text(config, config.source.schema.as_deref()).findings
}

#[test]
fn a_sound_configuration_gives_no_findings() {
    assert_eq!(check_offline(&configuration(|_| {})), []);
}

#[test]
fn every_bad_expression_is_found_in_one_go() {
    let config = configuration(|document| {
        document["silver"]["columns"][0]["expr"] = json!("upper(devise)");
        document["silver"]["columns"][1]["expr"] = json!("celsius +");
        document["silver"]["require"] = json!([{"reason": "Cold", "expr": "celsius"}]);
    });
    let findings = check_offline(&config);
    for field in ["silver.columns[0].expr", "silver.columns[1].expr", "silver.require[0].expr"] {
        assert!(fields(&findings).contains(&field), "{field} is not in {findings:?}");
    }
}

#[test]
fn a_schema_that_does_not_parse_is_a_finding() {
    let config = configuration(|document| document["source"]["schema"] = json!("{\"type\":"));
    assert_eq!(fields(&check_offline(&config)), ["source.schema"]);
}

#[test]
fn avro_without_a_registry_and_nothing_to_read_with_are_two_findings() {
    let config = configuration(|document| {
        document["source"]["format"] = json!("Avro");
        document["source"].as_object_mut().expect("an object").remove("schema");
    });
    assert_eq!(fields(&check_offline(&config)), ["source.schemaRegistry", "source.schema"]);
}
