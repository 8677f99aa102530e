//! [`PassExec`]: the leaf of the plan, its table and its codec.

use std::fmt::{self, Formatter};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use datafusion_distributed::{DistributedTaskContext, NetworkCoalesceExec};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use futures::{TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use sluice_lake::Lake;
use snafu::ResultExt;

use super::super::error::{LakeSnafu, ReplayError};
use super::super::gathered::Gathered;
use super::super::pass::{Pass, Share};
use super::answers::Answer;

/// What a plan does: the same text for all of its tasks.
#[derive(Debug, Serialize, Deserialize)]
struct Work {
    pass: Pass,
    /// One for each task.
    shares: Vec<Share>,
}

/// A column of JSON texts, each an [`Answer`].
fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("answer", DataType::Utf8, false)]))
}

/// Work as a table that can be read once.
#[derive(Debug)]
pub(super) struct PassTable(Arc<Work>);

impl PassTable {
    pub(super) fn new(pass: Pass, shares: Vec<Share>) -> Self {
        Self(Arc::new(Work { pass, shares }))
    }
}

#[async_trait]
impl TableProvider for PassTable {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let tasks = self.0.shares.len();
        let leaf = Arc::new(PassExec::new(Arc::clone(&self.0)));
        let collected = NetworkCoalesceExec::try_new(leaf, tasks, 1)?;
        Ok(Arc::new(CoalescePartitionsExec::new(Arc::new(collected))))
    }
}

/// Runs the share of the task that it is in.
#[derive(Debug)]
pub(super) struct PassExec {
    work: Arc<Work>,
    properties: Arc<PlanProperties>,
}

impl PassExec {
    fn new(work: Arc<Work>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Self { work, properties: Arc::new(properties) }
    }
}

impl DisplayAs for PassExec {
    fn fmt_as(&self, _: DisplayFormatType, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "PassExec: {} tasks", self.work.shares.len())
    }
}

impl ExecutionPlan for PassExec {
    fn name(&self) -> &'static str {
        "PassExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let task = DistributedTaskContext::from_ctx(&context).task_index;
        let work = Arc::clone(&self.work);
        let rows = async move {
            let gathered = gather(&work, task).await;
            let gathered = gathered.map_err(|error| DataFusionError::External(error.into()))?;
            let answers = Answer::of(task, gathered).into_iter();
            Ok::<_, DataFusionError>(stream::iter(answers.map(|answer| encoded(&answer))))
        };
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), stream::once(rows).try_flatten())))
    }
}

async fn gather(work: &Work, task: usize) -> Result<Gathered, ReplayError> {
    let Some(share) = work.shares.get(task) else { return Ok(Gathered::default()) };
    let lake = Lake::open(&work.pass.config.storage).await.context(LakeSnafu)?;
    let reader = work.pass.reader(&lake).await?;
    tracing::info!(task, ranges = super::super::range::described(&share.ranges), "going through bronze");
    work.pass.run((&lake, &reader), share).await
}

/// One row, so that no message is larger than a part.
fn encoded(answer: &Answer) -> Result<RecordBatch> {
    let text = serde_json::to_string(answer).map_err(|error| DataFusionError::External(Box::new(error)))?;
    Ok(RecordBatch::try_new(schema(), vec![Arc::new(StringArray::from(vec![text]))])?)
}

/// Takes [`PassExec`] from one worker to another, as JSON.
#[derive(Debug)]
pub(super) struct PassCodec;

impl PhysicalExtensionCodec for PassCodec {
    fn try_decode(
        &self,
        text: &[u8],
        _: &[Arc<dyn ExecutionPlan>],
        _: &TaskContext,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let work =
            serde_json::from_slice(text).map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(Arc::new(PassExec::new(Arc::new(work))))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        text: &mut Vec<u8>,
        _: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let leaf = node
            .downcast_ref::<PassExec>()
            .ok_or_else(|| DataFusionError::Internal(format!("{} is no node of replays", node.name())))?;
        serde_json::to_writer(text, &*leaf.work).map_err(|error| DataFusionError::External(Box::new(error)))
    }
}
