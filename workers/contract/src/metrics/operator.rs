//! The metrics of the operator.

use super::{Label, metrics};

const CATEGORY: Label = Label { name: "category", values: "the step that failed" };
const KIND: Label = Label { name: "kind", values: "`StreamPipeline` or `FraudScorer`" };
const VERB: Label = Label { name: "verb", values: "`create`, `patch` or `delete`" };

metrics! {
    "Reconciling" {
        RECONCILES: Counter "sluice_operator_reconciles_total" []
            "Reconciles, whatever their outcome.";
        RECONCILE_ERRORS: Counter "sluice_operator_reconcile_errors_total" [CATEGORY]
            "Reconciles that failed.";
        RECONCILE_DURATION: Histogram "sluice_operator_reconcile_seconds" []
            "Seconds that a reconcile took.";
        API_WRITES: Counter "sluice_operator_api_writes_total" [VERB]
            "Requests to the API server that change something.";
    }
    "Standing" {
        RESOURCES: Gauge "sluice_operator_resources" [KIND]
            "Resources that the operator looks after.";
        LEADING: Gauge "sluice_operator_leading" []
            "1 if this process is the one that acts, else 0.";
    }
}
