//! [`ScorePass`]: scores bronze once more, and compares the table of scores with what comes of it. Nobody is alerted.

use std::collections::BTreeSet;

use sluice_contract::config::StartFrom;
use sluice_contract::scorer::{RuleSet, ScorerConfig};
use sluice_engine::Scoring;
use sluice_lake::{Lake, Reader, TableSpec};
use snafu::ResultExt;

use super::difference::Comparison;
use super::error::{ColumnsSnafu, ReplayError};
use super::gathered::Gathered;
use super::range::{Extents, Rounds, before};
use super::replacement::Replacement;
use super::rows::{portions, read, together};
use crate::ingest::{parse_schema, unusable_plan};

/// Which rules a row was scored by, which is no difference by itself.
const RULE_SET: &str = "rule_set";
/// When a row was first scored.
const PROCESSING_TIME: &str = "processing_time";

/// Compiles a scorer with its rules.
pub(super) fn compile(config: &ScorerConfig, rules: &RuleSet, schema: &str) -> Result<Scoring, ReplayError> {
    let schema = parse_schema(schema)?;
    Ok(Scoring::new(config, rules, &schema, [0; 16]).map_err(unusable_plan)?)
}

/// Where scoring begins: at the first row of bronze, or, for a scorer that was to begin at the end of the topic, at its
/// first row; partitions without one then take no part.
pub(super) async fn first_rows(
    config: &ScorerConfig,
    reader: &Reader,
    table: &str,
    extents: Extents,
) -> Result<Extents, ReplayError> {
    if config.start_from == StartFrom::Earliest {
        return Ok(extents);
    }
    let firsts = super::first_rows(reader, table, "true").await?;
    let from_first = extents.into_iter().filter_map(|(partition, extent)| {
        let first = firsts.get(&partition)?;
        Some((partition, extent.start.max(*first)..extent.end))
    });
    Ok(from_first.filter(|(_, extent)| !extent.is_empty()).collect())
}

/// A pass through bronze.
pub(super) struct ScorePass<'a> {
    lake: &'a Lake,
    reader: &'a Reader,
    bronze: &'a str,
    core: Scoring,
    comparison: Comparison,
    scores: Replacement,
    rows: u64,
}

impl<'a> ScorePass<'a> {
    pub(super) fn new(
        (lake, reader): (&'a Lake, &'a Reader),
        bronze: &'a str,
        spec: &TableSpec,
        core: Scoring,
    ) -> Self {
        let mut ignored = core.processing_columns();
        ignored.insert(RULE_SET.to_owned());
        let comparison = Comparison { ignored, kept: BTreeSet::from([PROCESSING_TIME.to_owned()]) };
        Self { lake, reader, bronze, core, comparison, scores: Replacement::new(spec, None), rows: 0 }
    }

    /// Goes through all that comes before the ranges, and compares what is in them.
    pub(super) async fn run(mut self, extents: &Extents, ranges: &Extents) -> Result<Gathered, ReplayError> {
        for round in Rounds::of(&before(extents, ranges)) {
            for rows in portions(self.reader, self.bronze, &round).await? {
                self.core.replay(&rows).context(ColumnsSnafu)?;
            }
        }
        for round in Rounds::of(ranges) {
            let mut scored = Vec::new();
            for rows in portions(self.reader, self.bronze, &round).await? {
                self.rows += rows.num_rows() as u64;
                scored.extend(self.core.replay(&rows).context(ColumnsSnafu)?);
            }
            let new = together(&scored, self.scores.spec()).context(ColumnsSnafu)?;
            let old = read(self.reader, self.scores.spec(), &round).await?;
            let difference = self.comparison.difference(old.as_ref(), new.as_ref()).context(ColumnsSnafu)?;
            self.scores.take(self.lake, difference).await?;
        }
        let table = self.scores.spec().name.clone();
        let (change, tally) = self.scores.finish(self.lake).await?;
        Ok(Gathered {
            rows: self.rows,
            changes: change.into_iter().collect(),
            tallies: vec![(table, tally)],
            ..Gathered::default()
        })
    }
}
