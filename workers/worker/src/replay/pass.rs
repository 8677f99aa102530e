//! [`Pass`]: what one goes through bronze for, and with which documents. Whoever knows it can run it.

use serde::{Deserialize, Serialize};
use sluice_contract::config::WorkerConfig;
use sluice_contract::scorer::{RuleSet, ScorerConfig};
use sluice_lake::{Lake, Reader};
use snafu::ResultExt;

use super::error::{LakeSnafu, ReplayError};
use super::gathered::Gathered;
use super::range::Extents;
use super::scores::{self, ScorePass};
use super::silver::{SilverPass, Tables};
use crate::ingest::{compile, specs};
use crate::quarantine::replayed_spec;
use crate::score;

/// A pass through bronze.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pass {
    /// The configuration of the pipeline.
    pub(super) config: WorkerConfig,
    /// The schema of its messages.
    pub(super) schema: String,
    /// What is made again.
    pub(super) subject: Subject,
}

/// What a pass makes again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Subject {
    /// Silver and quarantine.
    Silver {
        /// Whether the lake has a table of what `quarantine replay` took up.
        has_replayed: bool,
    },
    /// The table of a scorer, by its documents.
    Scores {
        /// Its configuration.
        config: Box<ScorerConfig>,
        /// Its rules.
        rules: RuleSet,
    },
}

/// Which rows of bronze a pass is about. Partitions know nothing of each other, so a pass may be cut between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Share {
    /// What there is of the partitions.
    pub(super) extents: Extents,
    /// What of it is compared.
    pub(super) ranges: Extents,
}

impl Pass {
    /// Runs it on some tables of a lake.
    pub(super) async fn run(
        &self,
        (lake, reader): (&Lake, &Reader),
        share: &Share,
    ) -> Result<Gathered, ReplayError> {
        let core = compile(&self.config, &self.schema, [0; 16])?;
        let [bronze, silver, quarantine] = &specs(&core);
        match &self.subject {
            Subject::Silver { has_replayed } => {
                let replayed = &has_replayed.then(replayed_spec);
                let tables = Tables { lake, reader, bronze, silver, quarantine, replayed: replayed.as_ref() };
                SilverPass::new(&tables, core).run(&share.extents, &share.ranges).await
            }
            Subject::Scores { config, rules } => {
                let core = scores::compile(config, rules, &self.schema)?;
                let spec = score::work::table_spec(&core);
                let pass = ScorePass::new((lake, reader), &bronze.name, &spec, core);
                pass.run(&share.extents, &share.ranges).await
            }
        }
    }

    /// The tables that it reads and compares, as they are now.
    pub(super) async fn reader(&self, lake: &Lake) -> Result<Reader, ReplayError> {
        let core = compile(&self.config, &self.schema, [0; 16])?;
        let mut tables: Vec<String> = specs(&core).map(|spec| spec.name).into();
        match &self.subject {
            Subject::Silver { has_replayed } => tables.extend(has_replayed.then(|| replayed_spec().name)),
            Subject::Scores { config, rules } => {
                tables.push(score::work::table_spec(&scores::compile(config, rules, &self.schema)?).name);
            }
        }
        let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
        lake.reader(&tables).await.context(LakeSnafu)
    }
}
