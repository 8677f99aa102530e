//! [`Encoders`]: one thread for each table, which turns rows into Parquet as they come.
//!
//! An epoch's files are finished when it closes; most of the work is done by then. The channels are
//! bounded, so a slow encoder slows the core down and memory stays bounded.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrow::array::RecordBatch;
use sluice_lake::{FinishedFile, LakeError, TableSpec, TableWriter};
use tokio::sync::oneshot;

/// Batches of rows on their way to one encoder.
const QUEUE: usize = 16;

/// The files of one table and epoch, as soon as they are encoded.
pub(crate) type Files = oneshot::Receiver<Result<Vec<FinishedFile>, LakeError>>;

enum Task {
    Write(RecordBatch),
    Finish(oneshot::Sender<Result<Vec<FinishedFile>, LakeError>>),
}

/// The encoder of one table. The thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Encoder {
    tasks: SyncSender<Task>,
}

impl Encoder {
    /// Starts the thread of a table.
    pub(crate) fn start(spec: &TableSpec) -> std::io::Result<Self> {
        let (tasks, inbox) = sync_channel(QUEUE);
        let writer = TableWriter::new(spec);
        thread::Builder::new().name(format!("encode {}", spec.name)).spawn(move || run(writer, &inbox))?;
        Ok(Self { tasks })
    }

    /// Encodes rows into the open epoch's files. Waits while the encoder has enough to do.
    ///
    /// What goes wrong is told by [`Self::finish`].
    pub(crate) fn write(&self, rows: RecordBatch) {
        // The thread lives as long as this sender, unless it panicked: then `finish` tells.
        let _ = self.tasks.send(Task::Write(rows));
    }

    /// Ends the epoch. The files come when they are encoded; rows of the next epoch may be written at once.
    pub(crate) fn finish(&self) -> Files {
        let (reply, files) = oneshot::channel();
        let _ = self.tasks.send(Task::Finish(reply));
        files
    }
}

fn run(mut writer: TableWriter, inbox: &Receiver<Task>) {
    let mut failure = None;
    while let Ok(task) = inbox.recv() {
        match task {
            Task::Write(rows) if failure.is_none() => failure = writer.write(&rows).err(),
            Task::Write(_) => {}
            Task::Finish(reply) => {
                let files = match failure.take() {
                    None => writer.finish(),
                    Some(error) => Err(error),
                };
                // Nobody waits for the files of an epoch that was abandoned.
                let _ = reply.send(files);
            }
        }
    }
}
