//! What is said of rules, alerts, the label and the model. Pure.

use std::collections::BTreeSet;

use sluice_contract::report::{Report, ScoringReport};
use sluice_crds::conditions::{reasons, types};

use super::Asked;
use crate::conditions::{Statement, Truth};
use crate::sharded_job::plan::Stage;
use crate::sharded_job::status::Inputs;
use crate::sharded_job::status::parts::part;
use crate::sharded_job::workers::Workers;

/// The problems of workers that are about their alerts.
const ABOUT_ALERTS: [&str; 2] = ["AlertsTopicMissing", "AlertsUndelivered"];

/// The conditions of a scorer alone.
pub(super) fn statements(inputs: &Inputs<'_>, asked: Asked<'_>) -> Vec<Statement> {
    let workers = inputs.workers;
    let runs = !workers.shards.is_empty() && !matches!(inputs.plan.stage, Stage::Suspended(_));
    let mut statements = Vec::new();
    if runs {
        statements.extend(asked.rules.map(|rules| rules_statement(&rules.hash(), workers)));
        statements.extend(asked.alerts.map(|_| part(types::ALERTS_DELIVERED, &ABOUT_ALERTS, workers)));
        statements.extend(label_statement(workers.reports()));
    }
    statements.extend(asked.model.map(model_statement));
    statements
}

/// The rule set by which all shards score, if they agree.
pub(super) fn rules_in_force(workers: &Workers) -> Option<String> {
    let mut all = scoring(workers).map(|scoring| scoring.rule_set.as_ref());
    let first = all.next()??;
    all.all(|other| other == Some(first)).then(|| first.clone())
}

fn scoring(workers: &Workers) -> impl Iterator<Item = &ScoringReport> {
    workers.reports().filter_map(|report: &Report| report.scoring.as_ref())
}

/// A rule set that is refused leaves the one before it in force.
fn rules_statement(wanted: &str, workers: &Workers) -> Statement {
    let problems = workers.reports().flat_map(|report| &report.problems);
    let refusal = problems.into_iter().find(|problem| problem.reason == reasons::RULES_REFUSED);
    if let Some(refusal) = refusal {
        let message = format!("{}; the rule set before it stays in force", refusal.message);
        return Statement::new(types::RULES_IN_FORCE, Truth::False, reasons::RULES_REFUSED, message);
    }
    let known: Vec<Option<&String>> = scoring(workers).map(|scoring| scoring.rule_set.as_ref()).collect();
    if !known.is_empty() && known.iter().all(|hash| hash.is_some_and(|hash| hash == wanted)) {
        return Statement::new(types::RULES_IN_FORCE, Truth::True, reasons::AS_EXPECTED, "");
    }
    let (reason, message) = if known.is_empty() {
        (reasons::NO_REPORT, "no worker has said so yet".to_owned())
    } else {
        let message =
            format!("rule set {wanted} takes effect at the next epoch that begins after it arrives");
        (reasons::RULES_PENDING, message)
    };
    Statement::new(types::RULES_IN_FORCE, Truth::Unknown, reason, message)
}

/// Whether a rule reads the truth. The workers say so, who have compiled the rules.
pub fn label_statement<'a>(reports: impl Iterator<Item = &'a Report>) -> Option<Statement> {
    let scoring = reports.filter_map(|report| report.scoring.as_ref());
    let rules: BTreeSet<&str> =
        scoring.flat_map(|scoring| &scoring.reading_label).map(String::as_str).collect();
    if rules.is_empty() {
        return None;
    }
    let rules = rules.into_iter().collect::<Vec<_>>().join(", ");
    let message = format!(
        "rules that read spec.label.column: {rules}; it is the truth, which nobody knows when a row really comes, \
         so fraud_score_unlabelled and risk_level_unlabelled leave these rules out, and no model sees either score"
    );
    let type_ = types::LABEL_USED_IN_SCORING;
    Some(Statement::new(type_, Truth::True, type_, message))
}

/// This release has nothing that makes a version of a model.
pub fn model_statement(deployment: &str) -> Statement {
    let message = format!("ModelDeployment '{deployment}' has no version that scores yet; rules score alone");
    Statement::new(types::MODEL_AVAILABLE, Truth::False, reasons::AWAITING_FIRST_MODEL, message)
}
