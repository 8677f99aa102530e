//! `sluice-worker replay`: makes silver, the tables of windows or a scorer's table again from bronze, by the present
//! configuration, for a range of offsets.
//!
//! ```text
//!            from the first row: memory          the range: compared by value
//!  bronze ──────────────────────────────► core ─────────────────────────────► rows that differ ──► one manifest
//!                                                  ▲                                                  │
//!                                  silver, quarantine, fraud/...  ◄── one commit for each table ──────┘
//! ```
//! Kafka is not read. The core goes through bronze from its first row on, so copies, late rows and velocity are what
//! they would have been had the configuration always been the present one. Rows are written for the range alone, and
//! only those that differ: whoever replays with an unchanged configuration changes nothing.
//!
//! # Exactly once, beside others
//! The range ends where the workers' newest manifests stood at the start. Of what lies before them the tables have
//! every row, and the workers only add rows behind them. A replay writes through the chain `replay/0/0`, which it shares with
//! `quarantine replay`: its manifest is the commit point and the fence. A table gets the new rows and loses the old ones
//! by one commit, in which files that hold rows of both kinds are replaced by files with the others.
//!
//! A compaction may rewrite such a file between the look and the commit. The table then gives the epoch up as a whole
//! ([`RolledForward::Overtaken`](sluice_lake::RolledForward)), and the rows are replaced again where they are now. A
//! replay that died is finished by the next one, or given up likewise; what then still differs is found again.
//!
//! # Reading order
//! This file (the steps), [`range`] (which offsets, in which portions), `pass` (a pass through bronze: `silver` or
//! `scores`), `distributed` (a pass on several workers), `difference` and `refusals` (what differs), `replacement`,
//! `gathered` and `commits` (how it is written).

mod arguments;
mod commits;
mod difference;
mod distributed;
mod error;
mod event_times;
mod gathered;
mod pass;
mod range;
mod refusals;
mod replacement;
mod rows;
mod scores;
mod silver;
mod summary;

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use sluice_contract::config::WorkerConfig;
use sluice_contract::manifest::Recompute;
use sluice_contract::scorer::{RuleSet, ScorerConfig};
use sluice_engine::Ingest;
use sluice_lake::{Lake, Reader, TableSpec};
use snafu::{OptionExt, ResultExt, ensure};
use url::Url;

pub use arguments::{PeerArguments, ReplayArguments};
pub use error::ReplayError;

use arguments::{Bound, Output, Replayable};
use commits::Commits;
use error::{
    ColumnsSnafu, LakeSnafu, NeverStartedSnafu, OtherPipelineSnafu, PipelineMissingSnafu, RangeSnafu,
    ScorerMissingSnafu, UnknownTableSnafu,
};
use event_times::Span;
use gathered::Gathered;
use pass::{Pass, Share, Subject};
use range::{Edge, Extents, Rounds, ranges};
use summary::{Part, Summary};

use crate::ingest::{JOB, compile, read_configuration, specs};
use crate::quarantine::replayed_spec;
use crate::score;

/// Replays, and gives what there is to print.
pub async fn run(arguments: ReplayArguments) -> Result<String, ReplayError> {
    if arguments.index > 0 {
        return distributed::serve(arguments.listen).await.map(|()| String::new());
    }
    let config = configuration(&arguments)?;
    let wanted = Wanted::of(&arguments, &config)?;
    let lake = Lake::open(&config.storage).await.context(LakeSnafu)?;
    let workers = if wanted.has_passes() {
        distributed::workers(&arguments.peers, arguments.workers).await?
    } else {
        Vec::new()
    };
    let mut replay = Replay::start(&config, (lake, workers), &arguments, &wanted).await?;
    let mut parts = Vec::new();
    if wanted.silver {
        Box::pin(replay.silver(&arguments, &mut parts)).await?;
    }
    if let Some(tables) = &wanted.windows {
        Box::pin(replay.windows(&arguments, tables, &mut parts)).await?;
    }
    if let Some(scorer) = &wanted.scorer {
        Box::pin(replay.scores(&arguments, scorer, &mut parts)).await?;
    }
    let summary = Summary { name: arguments.name, parts };
    Ok(match arguments.output {
        Output::Table => summary.as_text(),
        Output::Json => format!("{:#}\n", summary.as_json()),
    })
}

/// Runs tasks of replays until the process is ended.
pub async fn serve(arguments: PeerArguments) -> Result<(), ReplayError> {
    distributed::serve(arguments.listen).await
}

/// The configuration of the pipeline: a scorer has what its own table needs of it.
fn configuration(arguments: &ReplayArguments) -> Result<WorkerConfig, ReplayError> {
    if let Some(path) = &arguments.config {
        return Ok(read_configuration(path)?);
    }
    let is_of_the_scorer = arguments.tables.iter().all(|table| *table == Replayable::Fraud);
    let scorer = arguments.scorer.as_ref().filter(|_| is_of_the_scorer).context(PipelineMissingSnafu)?;
    Ok(score::read_configuration(scorer)?.pipeline)
}

/// What is to be replayed.
struct Wanted {
    silver: bool,
    /// Names of tables of windows; empty: all of them. `None`: no windows.
    windows: Option<Vec<String>>,
    scorer: Option<Scorer>,
}

/// A scorer's documents.
struct Scorer {
    config: ScorerConfig,
    rules: RuleSet,
}

impl Wanted {
    /// Whether rows are made again, which several workers may share.
    fn has_passes(&self) -> bool {
        self.silver || self.scorer.is_some()
    }

    fn of(arguments: &ReplayArguments, config: &WorkerConfig) -> Result<Self, ReplayError> {
        let mut wanted = Self { silver: false, windows: None, scorer: None };
        let known = || config.gold.iter().map(|table| format!("gold/{}", table.name)).collect::<Vec<_>>();
        for table in &arguments.tables {
            match table {
                Replayable::Silver => wanted.silver = true,
                Replayable::Gold => {
                    ensure!(!config.gold.is_empty(), UnknownTableSnafu { table: "gold", known: known() });
                    wanted.windows = Some(Vec::new());
                }
                Replayable::GoldTable(name) => {
                    let table = format!("gold/{name}");
                    ensure!(known().contains(&table), UnknownTableSnafu { table, known: known() });
                    match &mut wanted.windows {
                        // All of them already.
                        Some(tables) if tables.is_empty() => {}
                        Some(tables) => tables.push(table),
                        None => wanted.windows = Some(vec![table]),
                    }
                }
                Replayable::Fraud => wanted.scorer = Some(Scorer::read(arguments, config)?),
            }
        }
        Ok(wanted)
    }
}

impl Scorer {
    fn read(arguments: &ReplayArguments, config: &WorkerConfig) -> Result<Self, ReplayError> {
        let documents = arguments.scorer.as_ref().zip(arguments.rules.as_ref());
        let (scorer, rules) = documents.context(ScorerMissingSnafu)?;
        let scorer = score::read_configuration(scorer)?;
        let (found, uri) = (&scorer.pipeline.storage.uri, &config.storage.uri);
        ensure!(found == uri, OtherPipelineSnafu { scorer: &scorer.name, found, uri });
        Ok(Self { config: scorer, rules: score::read_rules(rules)? })
    }
}

/// A replay that owns its chain.
struct Replay<'a> {
    config: &'a WorkerConfig,
    lake: Lake,
    schema: String,
    commits: Commits,
    /// Bronze, silver and quarantine.
    specs: [TableSpec; 3],
    /// The table of what `quarantine replay` took up, where there is one.
    replayed: Option<TableSpec>,
    /// Where the workers of the pipeline stand.
    positions: BTreeMap<i32, i64>,
    /// Who goes through bronze; empty: this process alone.
    workers: Vec<Url>,
}

impl<'a> Replay<'a> {
    /// Compiles everything, before anything is touched; then claims the chain.
    async fn start(
        config: &'a WorkerConfig,
        (lake, workers): (Lake, Vec<Url>),
        arguments: &ReplayArguments,
        wanted: &Wanted,
    ) -> Result<Self, ReplayError> {
        let generation = lake.generation(JOB).await.context(LakeSnafu)?;
        let generation =
            generation.with_context(|| NeverStartedSnafu { job: JOB, uri: lake.uri() })?.generation;
        let schema = config.source.schema.clone().or(generation.reader_schema);
        let schema = schema.with_context(|| NeverStartedSnafu { job: JOB, uri: lake.uri() })?;
        let specs = specs(&compile(config, &schema, [0; 16])?);
        for spec in &specs {
            let has_table = lake.has_table(&spec.name).await.context(LakeSnafu)?;
            ensure!(has_table, NeverStartedSnafu { job: JOB, uri: lake.uri() });
        }
        if let Some(Scorer { config: scorer, rules }) = &wanted.scorer {
            let spec = score::work::table_spec(&scores::compile(scorer, rules, &schema)?);
            let has_table = lake.has_table(&spec.name).await.context(LakeSnafu)?;
            ensure!(has_table, NeverStartedSnafu { job: scorer.job(), uri: lake.uri() });
        }
        let replayed = replayed_spec();
        let replayed = lake.has_table(&replayed.name).await.context(LakeSnafu)?.then_some(replayed);
        let mut commits = Commits::claim(lake.clone(), config, &arguments.name).await?;
        let all: Vec<TableSpec> = specs.iter().chain(&replayed).cloned().collect();
        let positions = commits.open(&all, &[JOB]).await?.remove(0);
        Ok(Self { config, lake, schema, commits, specs, replayed, positions, workers })
    }

    /// Makes silver again, and with it what quarantine has of rows of bronze.
    async fn silver(
        &mut self,
        arguments: &ReplayArguments,
        parts: &mut Vec<Part>,
    ) -> Result<(), ReplayError> {
        let reader = self.reader(&[]).await?;
        let extents = self.extents(&reader, &self.positions).await?;
        let ranges = self.ranges(&reader, arguments, &extents).await?;
        tracing::info!(name = arguments.name, ranges = range::described(&ranges), "replaying silver");
        let subject = Subject::Silver { has_replayed: self.replayed.is_some() };
        let share = Share { extents, ranges: ranges.clone() };
        let Gathered { rows, changes, tallies, span } = self.gather(&reader, subject, share).await?;
        parts.push(Part::Rows { ranges, rows, tallies });
        if changes.is_empty() {
            return Ok(());
        }
        let bounds = span.bounds_us().filter(|_| !self.config.gold.is_empty());
        let recompute = bounds.map(|(from_us, until_us)| Recompute { tables: Vec::new(), from_us, until_us });
        self.commits.commit(changes, recompute.clone()).await?;
        parts.extend(recompute.map(Part::Windows));
        Ok(())
    }

    /// Has the merge compute windows again.
    async fn windows(
        &mut self,
        arguments: &ReplayArguments,
        tables: &[String],
        parts: &mut Vec<Part>,
    ) -> Result<(), ReplayError> {
        let reader = self.reader(&[]).await?;
        let extents = self.extents(&reader, &self.positions).await?;
        let ranges = self.ranges(&reader, arguments, &extents).await?;
        let core = self.core()?;
        let mut span = Span::default();
        for round in Rounds::of(&ranges) {
            let sql = format!(
                "SELECT b.* FROM bronze b LEFT SEMI JOIN (SELECT \"partition\", \"offset\" FROM silver WHERE {}) s \
                 ON b.\"partition\" = s.\"partition\" AND b.\"offset\" = s.\"offset\" WHERE {}",
                rows::within("", &round),
                rows::within("b.", &round)
            );
            for rows in reader.rows(&sql).await.context(LakeSnafu)? {
                span.include_column(&core.event_times(&rows).context(ColumnsSnafu)?);
            }
        }
        let Some((from_us, until_us)) = span.bounds_us() else {
            parts.push(Part::NoWindows);
            return Ok(());
        };
        let recompute = Recompute { tables: tables.to_vec(), from_us, until_us };
        self.commits.commit(Vec::new(), Some(recompute.clone())).await?;
        parts.push(Part::Windows(recompute));
        Ok(())
    }

    /// Scores rows again, by the present rules.
    async fn scores(
        &mut self,
        arguments: &ReplayArguments,
        scorer: &Scorer,
        parts: &mut Vec<Part>,
    ) -> Result<(), ReplayError> {
        let Scorer { config, rules } = scorer;
        let core = scores::compile(config, rules, &self.schema)?;
        let spec = score::work::table_spec(&core);
        let positions = self.commits.open(std::slice::from_ref(&spec), &[&config.job()]).await?.remove(0);
        // Bronze must have the rows, and the table their scores.
        let both = positions.into_iter().filter_map(|(partition, position)| {
            Some((partition, position.min(*self.positions.get(&partition)?)))
        });
        let reader = self.reader(&[&spec.name]).await?;
        let extents = self.extents(&reader, &both.collect()).await?;
        let extents = scores::first_rows(config, &reader, &spec.name, extents).await?;
        let ranges = self.ranges(&reader, arguments, &extents).await?;
        tracing::info!(
            name = arguments.name,
            table = spec.name,
            ranges = range::described(&ranges),
            "replaying scores"
        );
        let subject = Subject::Scores { config: Box::new(config.clone()), rules: rules.clone() };
        let share = Share { extents, ranges: ranges.clone() };
        let Gathered { rows, changes, tallies, .. } = self.gather(&reader, subject, share).await?;
        parts.push(Part::Rows { ranges, rows, tallies });
        if !changes.is_empty() {
            self.commits.commit(changes, None).await?;
        }
        Ok(())
    }

    /// Goes through bronze: here, or on all workers.
    async fn gather(&self, reader: &Reader, subject: Subject, share: Share) -> Result<Gathered, ReplayError> {
        let pass = Pass { config: self.config.clone(), schema: self.schema.clone(), subject };
        if self.workers.is_empty() {
            return pass.run((&self.lake, reader), &share).await;
        }
        let shares = distributed::shares(&share.extents, &share.ranges, self.workers.len());
        distributed::run(pass, shares, &self.workers).await
    }

    fn core(&self) -> Result<Ingest, ReplayError> {
        Ok(compile(self.config, &self.schema, [0; 16])?)
    }

    /// The tables of the pipeline as they are now, and others.
    async fn reader(&self, others: &[&str]) -> Result<Reader, ReplayError> {
        let specs = self.specs.iter().chain(&self.replayed);
        let tables: Vec<&str> = specs.map(|spec| spec.name.as_str()).chain(others.iter().copied()).collect();
        self.lake.reader(&tables).await.context(LakeSnafu)
    }

    /// What there is of each partition, from the first row of bronze to a position.
    async fn extents(&self, reader: &Reader, positions: &BTreeMap<i32, i64>) -> Result<Extents, ReplayError> {
        let firsts = first_rows(reader, &self.specs[0].name, "true").await?;
        let extents = firsts.into_iter().filter_map(|(partition, first)| {
            let end = *positions.get(&partition)?;
            (first < end).then_some((partition, first..end))
        });
        Ok(extents.collect())
    }

    /// The offsets to replay.
    async fn ranges(
        &self,
        reader: &Reader,
        arguments: &ReplayArguments,
        extents: &Extents,
    ) -> Result<Extents, ReplayError> {
        let bronze = &self.specs[0].name;
        let from = edge(reader, bronze, arguments.from.as_ref()).await?;
        let until = edge(reader, bronze, arguments.until.as_ref()).await?;
        ranges(extents, &from, &until).context(RangeSnafu)
    }
}

/// An end of the range as offsets: for a time, the first row of each partition that was sent then or later.
async fn edge(reader: &Reader, bronze: &str, bound: Option<&Bound>) -> Result<Edge, ReplayError> {
    Ok(match bound {
        None => Edge::Open,
        Some(Bound::Offsets(offsets)) => Edge::Offsets(offsets.clone()),
        Some(Bound::Time(us)) => {
            let sent =
                format!("kafka_timestamp >= arrow_cast({us}, 'Timestamp(Microsecond, Some(\"UTC\"))')");
            Edge::Time(first_rows(reader, bronze, &sent).await?)
        }
    })
}

/// The offset of the first row of each partition that meets a condition.
async fn first_rows(
    reader: &Reader,
    table: &str,
    condition: &str,
) -> Result<BTreeMap<i32, i64>, ReplayError> {
    let sql = format!(
        "SELECT \"partition\" AS p, min(\"offset\") AS o FROM \"{table}\" WHERE {condition} GROUP BY \"partition\""
    );
    let mut firsts = BTreeMap::new();
    for rows in reader.rows(&sql).await.context(LakeSnafu)? {
        let integers = |column: usize| -> Result<Vec<i64>, ArrowError> {
            Ok(cast(rows.column(column), &DataType::Int64)?.as_primitive::<Int64Type>().values().to_vec())
        };
        let (partitions, offsets) = (integers(0).context(ColumnsSnafu)?, integers(1).context(ColumnsSnafu)?);
        firsts.extend(partitions.into_iter().map(|partition| partition as i32).zip(offsets));
    }
    Ok(firsts)
}
