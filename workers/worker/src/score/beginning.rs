//! Where a scorer starts: at the pipeline's first row, whatever Kafka still has.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use sluice_contract::config::StartFrom;
use sluice_contract::scorer::ScorerConfig;
use sluice_lake::Lake;
use snafu::{OptionExt, ResultExt};

use crate::kafka::{Topic, TopicError, Watermarks};
use crate::stream::restore::{LakeSnafu, PipelineNotStartedSnafu, RestoreError, TopicSnafu};
use crate::stream::work::Claimed;

/// How long Kafka may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

const BRONZE: &str = "bronze";

/// The offsets to begin at, on the first start of a scorer that scores everything; empty otherwise.
///
/// | the pipeline | begins |
/// |---|---|
/// | has rows in bronze from before Kafka's first message | at its first row: rows of bronze stand in for messages |
/// | started at the end of the log, and has rows | at its first row |
/// | started at the end of the log, and has none | at its present position |
/// | else | at Kafka's first message |
pub(super) async fn first_offsets(
    config: &ScorerConfig,
    claimed: Claimed<'_>,
) -> Result<BTreeMap<i32, i64>, RestoreError> {
    if !claimed.is_first_start || config.start_from == StartFrom::Latest {
        return Ok(BTreeMap::new());
    }
    let has_bronze = claimed.lake.has_table(BRONZE).await.context(LakeSnafu)?;
    let from_the_end = config.pipeline.source.kafka.start_from == StartFrom::Latest;
    let mut offsets = BTreeMap::new();
    for (partition, Watermarks { low, .. }) in available(config, claimed).await? {
        let first_row = if has_bronze && (low > 0 || from_the_end) {
            first_row(claimed.lake, partition, (!from_the_end).then_some(low)).await?
        } else {
            None
        };
        let offset = match first_row {
            Some(first) => first,
            None if from_the_end => position(claimed.lake, partition).await?,
            None => low,
        };
        offsets.insert(partition, offset);
    }
    Ok(offsets)
}

/// What the broker has of the shard's partitions.
async fn available(
    config: &ScorerConfig,
    claimed: Claimed<'_>,
) -> Result<BTreeMap<i32, Watermarks>, RestoreError> {
    let (kafka, cut) = (config.pipeline.source.kafka.clone(), claimed.cut);
    let ask = move || -> Result<BTreeMap<i32, Watermarks>, TopicError> {
        let topic = Topic::new(&kafka)?;
        let partitions = topic.partitions(TIMEOUT)?.into_iter().filter(|partition| cut.has(*partition));
        partitions.map(|partition| Ok((partition, topic.watermarks(partition, TIMEOUT)?))).collect()
    };
    let asked = tokio::task::spawn_blocking(ask).await;
    asked.unwrap_or_else(|error| Err(TopicError::Client { detail: error.to_string() })).context(TopicSnafu)
}

/// Offset of the first row that bronze has of a partition, of those before `before` if that is given.
async fn first_row(lake: &Lake, partition: i32, before: Option<i64>) -> Result<Option<i64>, RestoreError> {
    let bound = before.map(|before| format!(" AND \"offset\" < {before}")).unwrap_or_default();
    let sql = format!("SELECT min(\"offset\") FROM {BRONZE} WHERE \"partition\" = {partition}{bound}");
    let rows = lake.query(&[BRONZE], &[], &sql).await.context(LakeSnafu)?;
    let first =
        rows.iter().find(|rows| rows.num_rows() > 0).map(|rows| rows.column(0).as_primitive::<Int64Type>());
    Ok(first.filter(|column| column.is_valid(0)).map(|column| column.value(0)))
}

/// Where the pipeline stands on a partition of which it has no row.
async fn position(lake: &Lake, partition: i32) -> Result<i64, RestoreError> {
    let positions = lake.positions(crate::ingest::JOB).await.context(LakeSnafu)?;
    positions
        .get(&partition)
        .map(|progress| progress.next_offset)
        .context(PipelineNotStartedSnafu { partition })
}
