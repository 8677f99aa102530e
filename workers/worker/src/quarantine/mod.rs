//! `sluice-worker quarantine`: looks into refused messages, and takes them up again after a fix.
//!
//! Reading order: [`arguments`], `query` (what is asked of the tables), `message`, then [`replay`], whose page says
//! why it is exactly once and what counts as a copy, and `verdict`, by which it decides.

pub mod arguments;
pub mod error;
mod message;
mod query;
mod render;
pub mod replay;
mod verdict;

use sluice_contract::config::WorkerConfig;
use sluice_lake::Lake;
use snafu::ResultExt;

pub use arguments::QuarantineCommand;
pub use error::QuarantineError;
pub(crate) use replay::replayed_spec;

use arguments::{Filter, ListArguments, Output, ShowArguments};
use error::{ColumnsSnafu, LakeSnafu};
use query::REPLAYED;

use crate::ingest::read_configuration;

/// Runs a command, and gives what it has to print.
pub async fn run(command: QuarantineCommand) -> Result<String, QuarantineError> {
    match command {
        QuarantineCommand::List(arguments) => list(&arguments).await,
        QuarantineCommand::Show(arguments) => show(&arguments).await,
        QuarantineCommand::Replay(arguments) => {
            let config = read_configuration(&arguments.lake.config)?;
            let tally = Box::pin(replay::run(&config, &arguments.filter)).await?;
            Ok(match arguments.output.output {
                Output::Table => render::tally_as_text(&tally),
                Output::Json => as_lines(&render::tally_as_json(&tally)),
            })
        }
    }
}

async fn list(arguments: &ListArguments) -> Result<String, QuarantineError> {
    let config = read_configuration(&arguments.lake.config)?;
    let rows = ask(&config, |has_replayed| query::count(&arguments.filter, has_replayed)).await?;
    let groups = message::groups(&rows).context(ColumnsSnafu)?;
    Ok(match arguments.output.output {
        Output::Table => render::groups_as_text(&groups),
        Output::Json => as_lines(&render::groups_as_json(&groups)),
    })
}

async fn show(arguments: &ShowArguments) -> Result<String, QuarantineError> {
    let ShowArguments { lake, filter, limit, output } = arguments;
    let config = read_configuration(&lake.config)?;
    let limit = *limit as usize;
    let question = |has_replayed| messages_and_one(filter, limit, has_replayed);
    let rows = ask(&config, question).await?;
    let mut messages = message::messages(&rows).context(ColumnsSnafu)?;
    let has_more = messages.len() > limit;
    messages.truncate(limit);
    Ok(match output.output {
        Output::Table => render::messages_as_text(&messages, has_more),
        Output::Json => as_lines(&render::messages_as_json(&messages)),
    })
}

/// One more than is shown tells whether there are more.
fn messages_and_one(filter: &Filter, limit: usize, has_replayed: bool) -> String {
    query::messages(filter, &[], None, limit.saturating_add(1), has_replayed)
}

/// Asks the quarantine, without what was replayed; no table is no rows.
async fn ask(
    config: &WorkerConfig,
    question: impl Fn(bool) -> String,
) -> Result<Vec<arrow::array::RecordBatch>, QuarantineError> {
    let lake = Lake::open(&config.storage).await.context(LakeSnafu)?;
    if !lake.has_table("quarantine").await.context(LakeSnafu)? {
        return Ok(Vec::new());
    }
    let has_replayed = lake.has_table(REPLAYED).await.context(LakeSnafu)?;
    let tables: &[&str] = if has_replayed { &["quarantine", REPLAYED] } else { &["quarantine"] };
    lake.query(tables, &[], &question(has_replayed)).await.context(LakeSnafu)
}

fn as_lines(document: &serde_json::Value) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("a document has string keys only");
    text.push('\n');
    text
}
