//! [`ScoreProcessor`]: the engine's core behind the seam of the stream, and when rule sets change.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::future::{BoxFuture, FutureExt};
use sluice_contract::manifest::PartitionProgress;
use sluice_contract::scorer::RuleSet;
use sluice_decode::{Decoder, MessageBatch, UnresolvedSchema};
use sluice_engine::{EpochSize, MemorySize, RuleCompiler, Rules, Scored, Scoring, StateError};
use sluice_lake::{TableSpec, failpoint};
use snafu::ResultExt;

use super::alerts::Alerts;
use super::beginning;
use super::rule_file::{Offer, RuleFile};
use super::work::{ScoreWork, table_spec};
use crate::report::RuleSetStatus;
use crate::stream::restore::{AlertsSnafu, LakeSnafu, RestoreError};
use crate::stream::work::{Claimed, EndedEpoch, Processor};

/// One shard's scoring.
pub(super) struct ScoreProcessor {
    scoring: Scoring,
    work: ScoreWork,
    /// Hash of the rule set in force; `None` before the first.
    in_force: Option<String>,
    /// Where new rule sets come from.
    offer: Offer,
    /// Follows the file; ends with this.
    file: Option<RuleFile>,
    /// Where alerts go; `None`: nowhere.
    alerts: Option<Alerts>,
    /// Partitions of which messages may have been alerted by a process before, and the first offset that was not.
    unsettled: BTreeMap<i32, i64>,
    was_assigned: bool,
    /// Nothing was scored by the rules in force yet.
    has_new_rules: bool,
    /// The epoch that is closed next is the last before new rules.
    at_boundary: bool,
}

impl ScoreProcessor {
    pub(super) fn new(scoring: Scoring, work: ScoreWork) -> Self {
        Self {
            scoring,
            work,
            in_force: None,
            offer: Offer::default(),
            file: None,
            alerts: None,
            unsettled: BTreeMap::new(),
            was_assigned: false,
            has_new_rules: false,
            at_boundary: false,
        }
    }

    /// Connects, finds the rules to begin with, and follows their file from then on.
    async fn start(&mut self, claimed: Claimed<'_>) -> Result<BTreeMap<i32, i64>, RestoreError> {
        let config = Arc::clone(&self.work.config);
        if let Some(alerts) = &config.alerts {
            let kafka = config.pipeline.source.kafka.clone();
            let connected = Alerts::connect(kafka, alerts.topic.clone(), Arc::clone(&self.work.status)).await;
            self.alerts = Some(connected.context(AlertsSnafu)?);
        }
        if let Some(hash) = &claimed.claim.rule_set
            && let Some(rules) = kept(&self.work.job, self.scoring.compiler(), claimed, hash).await?
        {
            self.take_up(rules);
        }
        let runtime = tokio::runtime::Handle::current();
        let keep = rule_file_keep(claimed, &self.work);
        let file = RuleFile::follow(&self.work, self.scoring.compiler(), (runtime, keep), self.offer.clone());
        self.file = Some(file);
        beginning::first_offsets(&config, claimed).await
    }

    /// Sends alerts, and gives the rows with the number of their table.
    fn pass_on(&mut self, scored: Scored, processing_time_us: i64) -> Vec<(usize, RecordBatch)> {
        let Scored { rows, alerts } = scored;
        if std::mem::take(&mut self.has_new_rules) {
            failpoint::hit("before_new_rules");
        }
        if let Some(sender) = &mut self.alerts {
            let raised = !alerts.is_empty();
            sender.send(alerts, processing_time_us);
            if raised {
                failpoint::hit("after_alerts");
            }
        }
        rows.map(|rows| (0, rows)).into_iter().collect()
    }

    fn take_up(&mut self, rules: Rules) {
        tracing::info!(rule_set = rules.hash(), "scoring by a rule set");
        self.work.status.set_rule_set(RuleSetStatus::of(&rules));
        self.offer.in_force(rules.hash());
        self.has_new_rules = true;
        self.in_force = Some(rules.hash().to_owned());
        self.scoring.use_rules(rules);
    }

    /// Whether everything was scored that a process before may have alerted by the rules in force.
    fn is_settled(&mut self) -> bool {
        let scoring = &self.scoring;
        self.unsettled
            .retain(|partition, end| scoring.next_offset(*partition).is_none_or(|next| next < *end));
        self.unsettled.is_empty()
    }
}

/// The rule set that the newest manifest names; `None` if it is of no use any more.
async fn kept(
    job: &str,
    compiler: RuleCompiler,
    claimed: Claimed<'_>,
    hash: &str,
) -> Result<Option<Rules>, RestoreError> {
    let text = claimed.lake.rule_set(job, hash).await.context(LakeSnafu)?;
    let rules = text.as_deref().map(RuleSet::from_json);
    let compiled = match rules {
        Some(Ok(rules)) => compiler.compile(&rules).map_err(|errors| errors[0].to_string()),
        Some(Err(error)) => Err(error.to_string()),
        None => Err("it is not in the lake".to_owned()),
    };
    match compiled {
        Ok(rules) => Ok(Some(rules)),
        Err(problem) => {
            tracing::warn!(
                rule_set = hash,
                problem,
                "the rules in force before cannot be used with this configuration: what was alerted last may be scored by others"
            );
            Ok(None)
        }
    }
}

/// What keeps rule sets in the lake of a claim.
fn rule_file_keep(claimed: Claimed<'_>, work: &ScoreWork) -> super::rule_file::Keep {
    super::rule_file::Keep { lake: claimed.lake.clone(), job: work.job.clone() }
}

impl Processor for ScoreProcessor {
    fn specs(&self) -> Vec<TableSpec> {
        vec![table_spec(&self.scoring)]
    }

    fn begin<'a>(
        &'a mut self,
        claimed: Claimed<'a>,
    ) -> BoxFuture<'a, Result<BTreeMap<i32, i64>, RestoreError>> {
        self.start(claimed).boxed()
    }

    fn restore(&mut self, partition: i32, progress: &PartitionProgress) {
        self.scoring.restore(partition, progress);
    }

    fn load_state(&mut self, file: &[u8]) -> Result<(), StateError> {
        self.scoring.load_state(file)
    }

    fn assigned(&mut self, partition: i32, end: i64) {
        // Without rules nothing was ever alerted.
        if self.in_force.is_some() {
            self.unsettled.insert(partition, end);
        }
        self.was_assigned = true;
    }

    fn decoder(&mut self) -> &mut Decoder {
        self.scoring.decoder()
    }

    fn process(
        &mut self,
        batch: &MessageBatch,
        processing_time_us: i64,
    ) -> Result<Vec<(usize, RecordBatch)>, UnresolvedSchema> {
        let scored = self.scoring.process(batch, processing_time_us)?;
        Ok(self.pass_on(scored, processing_time_us))
    }

    fn backfill(
        &mut self,
        bronze: &RecordBatch,
        processing_time_us: i64,
    ) -> Result<Vec<(usize, RecordBatch)>, ArrowError> {
        let scored = self.scoring.backfill(bronze, processing_time_us)?;
        Ok(self.pass_on(scored, processing_time_us))
    }

    fn is_congested(&mut self) -> bool {
        // Without rules there is nothing to score by: the file's first sound ones are waited for.
        let has_no_rules = self.in_force.is_none() && self.was_assigned;
        has_no_rules || self.alerts.as_mut().is_some_and(Alerts::is_congested)
    }

    fn advance(&mut self, partition: i32, next_offset: i64) {
        self.scoring.advance(partition, next_offset);
    }

    fn set_idle(&mut self, partition: i32, idle: bool) {
        self.scoring.set_idle(partition, idle);
    }

    fn set_caught_up(&mut self, partition: i32, caught_up: bool) {
        self.scoring.set_caught_up(partition, caught_up);
    }

    fn progress(&self) -> BTreeMap<i32, PartitionProgress> {
        self.scoring.progress()
    }

    fn memory_size(&self) -> MemorySize {
        self.work.status.set_counted_rows(self.scoring.counted_rows());
        self.scoring.memory_size()
    }

    fn open_epoch(&self) -> EpochSize {
        self.scoring.open_epoch()
    }

    fn wants_boundary(&mut self) -> bool {
        self.at_boundary = self.was_assigned && self.offer.is_open() && self.is_settled();
        self.at_boundary
    }

    fn renewed(&mut self) {
        if let Some(alerts) = &mut self.alerts {
            alerts.renew();
        }
    }

    fn close_epoch(&mut self) -> EndedEpoch {
        let content = self.scoring.close_epoch();
        let pledge = self.alerts.as_mut().map(Alerts::end_epoch);
        if std::mem::take(&mut self.at_boundary)
            && let Some(rules) = self.offer.take()
        {
            self.take_up(rules);
        }
        EndedEpoch { content, rule_set: self.in_force.clone(), pledge }
    }
}

#[cfg(test)]
mod tests;
