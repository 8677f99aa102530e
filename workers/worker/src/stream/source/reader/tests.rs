use std::collections::VecDeque;
use std::sync::mpsc;
use std::thread;

use sluice_decode::Message;

use super::*;
use crate::stream::source::ReadOutcome;

/// Hands out prepared reads, then nothing.
#[derive(Debug)]
struct Scripted {
    reads: VecDeque<(Vec<(i32, i64)>, ReadOutcome)>,
    assigned: Sender<BTreeMap<i32, i64>>,
    paused: Sender<i32>,
}

impl Scripted {
    /// A source whose pauses nobody looks at.
    fn boxed(
        reads: VecDeque<(Vec<(i32, i64)>, ReadOutcome)>,
        assigned: Sender<BTreeMap<i32, i64>>,
    ) -> Box<dyn Source> {
        Box::new(Self { reads, assigned, paused: mpsc::channel().0 })
    }
}

impl Source for Scripted {
    fn read(&mut self, batch: &mut MessageBatch, limits: &ReadLimits) -> ReadOutcome {
        let Some((messages, outcome)) = self.reads.pop_front() else {
            thread::sleep(limits.linger);
            return ReadOutcome::default();
        };
        for (partition, offset) in messages {
            batch.push(message(partition, offset, None));
        }
        outcome
    }

    fn assign(&mut self, offsets: &BTreeMap<i32, i64>) {
        self.assigned.send(offsets.clone()).expect("the test listens");
    }

    fn pause(&mut self, partition: i32) {
        // Not every test asks for it.
        let _ = self.paused.send(partition);
    }

    fn resume(&mut self, _partition: i32) {}

    fn acknowledge(&mut self, _offsets: &BTreeMap<i32, i64>) {}
}

fn message(partition: i32, offset: i64, timestamp_ms: Option<i64>) -> Message<'static> {
    Message { partition, offset, timestamp_ms, key: None, value: Some(b"{}") }
}

fn batch(messages: &[(i32, i64, Option<i64>)]) -> MessageBatch {
    let mut batch = MessageBatch::default();
    for (partition, offset, timestamp_ms) in messages {
        batch.push(message(*partition, *offset, *timestamp_ms));
    }
    batch
}

#[test]
fn the_oldest_message_counts_by_its_timestamp_unless_that_lies_in_the_future_or_before_1970() {
    let now = 1_000_000;
    assert_eq!(oldest(&batch(&[(0, 0, Some(900_000)), (0, 1, Some(950_000))]), now), Some(900_000));
    assert_eq!(oldest(&batch(&[(0, 0, Some(2_000_000)), (0, 1, Some(-5)), (0, 2, None)]), now), Some(now));
    assert_eq!(oldest(&batch(&[]), now), None);
}

#[test]
fn positions_follow_the_last_message_of_each_partition() {
    let mut next = BTreeMap::from([(0, 3), (1, 7), (2, 9)]);
    let messages = batch(&[(0, 3, None), (0, 4, None), (1, 7, None), (0, 5, None)]);
    note_positions(&messages, &BTreeMap::from([(1, Some(10)), (2, None)]), &mut next);
    assert_eq!(next, BTreeMap::from([(0, 6), (1, 10), (2, 9)]), "a transaction marker ends partition 1");
}

#[test]
fn a_reader_without_a_free_batch_reads_nothing_until_one_comes_back() {
    let reads = (0..3).map(|offset| (vec![(0, offset)], ReadOutcome::default())).collect();
    let (assigned, _) = mpsc::channel();
    let (commands_sender, commands) = mpsc::channel();
    let (recycled_sender, recycled) = mpsc::channel();
    let (events, inbox) = mpsc::channel();
    let (inspections, _watcher) = mpsc::channel();
    let channels = Channels { commands, recycled, events, inspections };
    let reader = thread::spawn(move || {
        run(Scripted::boxed(reads, assigned), &channels, Duration::from_millis(1));
    });
    recycled_sender.send(MessageBatch::default()).expect("the reader lives");
    let Event::Read(first) = inbox.recv().expect("a batch") else { panic!("nothing else is sent") };
    assert!(inbox.recv_timeout(Duration::from_millis(150)).is_err(), "there was no batch to fill");
    let mut messages = first.messages;
    messages.clear();
    recycled_sender.send(messages).expect("the reader lives");
    let Event::Read(second) = inbox.recv().expect("a batch") else { panic!("nothing else is sent") };
    assert_eq!(second.messages.get(0).offset, 1);
    commands_sender.send(Command::End).expect("the reader lives");
    reader.join().expect("the reader ends when it is told to");
}

#[test]
fn an_offset_that_the_broker_lacks_is_inspected_with_the_readers_own_positions() {
    let out_of_range = ReadOutcome { at_end: BTreeMap::new(), out_of_range: true };
    let reads = VecDeque::from([(vec![(0, 5)], out_of_range)]);
    let (assigned, assignments) = mpsc::channel();
    let (commands_sender, commands) = mpsc::channel();
    let (recycled_sender, recycled) = mpsc::channel();
    let (events, _inbox) = mpsc::channel();
    let (inspections, watcher) = mpsc::channel();
    let channels = Channels { commands, recycled, events, inspections };
    commands_sender.send(Command::Assign(BTreeMap::from([(0, 5), (1, 9)]))).expect("the reader will live");
    let reader = thread::spawn(move || {
        run(Scripted::boxed(reads, assigned), &channels, Duration::from_millis(1));
    });
    recycled_sender.send(MessageBatch::default()).expect("the reader lives");
    let Inspect { wanted } = watcher.recv().expect("a question");
    assert_eq!(wanted, BTreeMap::from([(0, 6), (1, 9)]));
    assert_eq!(assignments.recv().expect("the source was assigned"), BTreeMap::from([(0, 5), (1, 9)]));
    commands_sender.send(Command::End).expect("the reader lives");
    reader.join().expect("the reader ends when it is told to");
}

#[test]
fn another_connection_goes_on_behind_the_last_message_and_leaves_paused_what_was_paused() {
    let old = VecDeque::from([(vec![(0, 5), (1, 9), (0, 6)], ReadOutcome::default())]);
    let (assigned, _assignments) = mpsc::channel();
    let (commands_sender, commands) = mpsc::channel();
    let (recycled_sender, recycled) = mpsc::channel();
    let (events, inbox) = mpsc::channel();
    let (inspections, _watcher) = mpsc::channel();
    let channels = Channels { commands, recycled, events, inspections };
    let start = BTreeMap::from([(0, 5), (1, 9), (2, 3)]);
    commands_sender.send(Command::Assign(start)).expect("the reader will live");
    commands_sender.send(Command::Pause(1)).expect("the reader will live");
    commands_sender.send(Command::Pause(2)).expect("the reader will live");
    commands_sender.send(Command::Resume(2)).expect("the reader will live");
    let reader =
        thread::spawn(move || run(Scripted::boxed(old, assigned), &channels, Duration::from_millis(1)));
    recycled_sender.send(MessageBatch::default()).expect("the reader lives");
    inbox.recv().expect("a batch of the old connection");

    let (assigned, assignments) = mpsc::channel();
    let (paused, pauses) = mpsc::channel();
    let reads = VecDeque::from([(vec![(0, 7)], ReadOutcome::default())]);
    let new = Box::new(Scripted { reads, assigned, paused });
    commands_sender.send(Command::Reconnect(new)).expect("the reader lives");
    recycled_sender.send(MessageBatch::default()).expect("the reader lives");
    let Event::Read(batch) = inbox.recv().expect("a batch of the new one") else {
        panic!("nothing else is sent")
    };
    assert_eq!(batch.messages.get(0).offset, 7);
    assert_eq!(assignments.try_iter().collect::<Vec<_>>(), [BTreeMap::from([(0, 7), (1, 10), (2, 3)])]);
    assert_eq!(pauses.try_iter().collect::<Vec<_>>(), [1]);
    commands_sender.send(Command::End).expect("the reader lives");
    reader.join().expect("the reader ends when it is told to");
}
