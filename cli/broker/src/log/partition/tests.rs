use std::collections::BTreeMap;

use super::*;
use crate::{
    log::{batch::HEADER_LENGTH, fixtures::BatchBuilder},
    settings::settings,
};

const NOW: i64 = 1_000_000;

fn topic(set: &[(&str, &str)]) -> TopicSettings {
    let set: BTreeMap<String, String> =
        set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    settings(&set, None)
}

fn open(folder: &tempfile::TempDir) -> Partition {
    Partition::open(folder.path().join("0"), NOW).unwrap()
}

fn append(partition: &Partition, settings: &TopicSettings, batch: &[u8]) -> Result<Appended, AppendRefusal> {
    let header = BatchHeader::of_produced(batch).unwrap();
    partition.append(batch, &header, settings, NOW)
}

fn append_values(partition: &Partition, settings: &TopicSettings, values: &[&str]) -> i64 {
    let records: Vec<(i64, &str)> = values.iter().map(|value| (NOW, *value)).collect();
    append(partition, settings, &BatchBuilder::new(&records).build()).unwrap().base_offset
}

/// The base offsets of all batches from an offset on.
fn batches_from(partition: &Partition, offset: i64) -> Vec<i64> {
    let mut offsets = Vec::new();
    let mut next = offset;
    while let (Some(range), _) = partition.read(next, usize::MAX >> 1, true).unwrap() {
        let bytes = range.read().unwrap();
        let mut left = &bytes[..];
        while !left.is_empty() {
            let header = BatchHeader::parse(left).unwrap();
            assert!(header.matches(left));
            offsets.push(header.base_offset);
            next = header.last_offset() + 1;
            left = &left[header.length..];
        }
    }
    offsets
}

fn files(folder: &tempfile::TempDir, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder.path().join("0"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

#[test]
fn what_was_appended_is_read_back_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let partition = open(&folder);
    assert_eq!(append_values(&partition, &topic(&[]), &["a", "b"]), 0);
    assert_eq!(append_values(&partition, &topic(&[]), &["c"]), 2);
    drop(partition);
    let partition = open(&folder);
    assert_eq!(partition.bounds(), Bounds { start: 0, end: 3 });
    assert_eq!(batches_from(&partition, 0), [0, 2]);
    assert_eq!(batches_from(&partition, 1), [0, 2]);
    assert_eq!(batches_from(&partition, 2), [2]);
}

#[test]
fn a_torn_end_is_cut_wherever_the_last_batch_is_torn() {
    let folder = tempfile::tempdir().unwrap();
    let partition = open(&folder);
    append_values(&partition, &topic(&[]), &["a", "b"]);
    let before = fs::metadata(&files(&folder, "log")[0]).unwrap().len() as usize;
    append_values(&partition, &topic(&[]), &["torn"]);
    drop(partition);
    let log = files(&folder, "log").remove(0);
    let whole = fs::read(&log).unwrap();
    for length in before..whole.len() {
        fs::write(&log, &whole[..length]).unwrap();
        let partition = open(&folder);
        assert_eq!(partition.bounds().end, 2, "torn after byte {length}");
        assert_eq!(append_values(&partition, &topic(&[]), &["next"]), 2);
        assert_eq!(batches_from(&partition, 0), [0, 2]);
    }
}

#[test]
fn a_damaged_byte_anywhere_in_the_last_batch_cuts_it() {
    let folder = tempfile::tempdir().unwrap();
    let partition = open(&folder);
    append_values(&partition, &topic(&[]), &["a"]);
    let before = fs::metadata(&files(&folder, "log")[0]).unwrap().len() as usize;
    append_values(&partition, &topic(&[]), &["damaged"]);
    drop(partition);
    let log = files(&folder, "log").remove(0);
    let whole = fs::read(&log).unwrap();
    // The offset and the leader's epoch are the broker's own and lie outside of the checksum.
    for at in (before + 16)..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&log, &damaged).unwrap();
        assert_eq!(open(&folder).bounds().end, 1, "damaged at byte {at}");
    }
}

#[test]
fn zeros_behind_the_last_batch_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    append_values(&open(&folder), &topic(&[]), &["a"]);
    let log = files(&folder, "log").remove(0);
    let length = fs::metadata(&log).unwrap().len();
    fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(length + 4_096).unwrap();
    assert_eq!(batches_from(&open(&folder), 0), [0]);
    assert_eq!(fs::metadata(&log).unwrap().len(), length);
}

#[test]
fn a_repeated_batch_is_stored_once_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let small_segments = topic(&[("segment.bytes", "1024")]);
    let batch =
        |sequence| BatchBuilder::new(&[(NOW, "x".repeat(400).as_str())]).producer(9, 0, sequence).build();
    let partition = open(&folder);
    for sequence in 0..6 {
        append(&partition, &small_segments, &batch(sequence)).unwrap();
    }
    partition.flush().unwrap();
    for restart in 0..2 {
        let partition = open(&folder);
        assert_eq!(
            append(&partition, &small_segments, &batch(4)).unwrap().base_offset,
            4,
            "restart {restart}"
        );
        assert!(matches!(
            append(&partition, &small_segments, &batch(7)),
            Err(AppendRefusal::Producer(ResponseError::OutOfOrderSequenceNumber))
        ));
        assert_eq!(partition.bounds().end, 6);
        // The second time without summaries: everything is read from the batches.
        for summary in files(&folder, "summary") {
            fs::remove_file(summary).unwrap();
        }
    }
}

#[test]
fn segments_roll_by_size_and_are_read_across() {
    let folder = tempfile::tempdir().unwrap();
    let small_segments = topic(&[("segment.bytes", "1024")]);
    let partition = open(&folder);
    for _ in 0..10 {
        append_values(&partition, &small_segments, &[&"x".repeat(300)]);
    }
    assert_eq!(files(&folder, "log").len(), 5);
    partition.flush().unwrap();
    assert_eq!(files(&folder, "summary").len(), 4);
    let everything: Vec<i64> = (0..10).collect();
    assert_eq!(batches_from(&partition, 0), everything);
    assert_eq!(batches_from(&open(&folder), 0), everything);
}

#[test]
fn segments_roll_by_age() {
    let folder = tempfile::tempdir().unwrap();
    let settings = topic(&[("segment.ms", "1000")]);
    let partition = open(&folder);
    let batch = BatchBuilder::new(&[(NOW, "a")]).build();
    let header = BatchHeader::of_produced(&batch).unwrap();
    for (now_ms, segments) in [(NOW, 1), (NOW + 999, 1), (NOW + 1_000, 2), (NOW + 1_999, 2), (NOW + 2_000, 3)]
    {
        partition.append(&batch, &header, &settings, now_ms).unwrap();
        assert_eq!(files(&folder, "log").len(), segments, "at {now_ms}");
    }
}

#[test]
fn reads_are_bounded_but_hold_at_least_one_batch() {
    let folder = tempfile::tempdir().unwrap();
    let partition = open(&folder);
    for _ in 0..100 {
        append_values(&partition, &topic(&[]), &[&"x".repeat(1_000)]);
    }
    let batch_length = BatchBuilder::new(&[(NOW, "x".repeat(1_000).as_str())]).build().len();
    let length = |offset, max_bytes, at_least_one| {
        partition.read(offset, max_bytes, at_least_one).unwrap().0.map_or(0, |range| range.length)
    };
    assert_eq!(length(3, 1, true), batch_length);
    assert_eq!(length(3, 1, false), 0);
    assert_eq!(length(3, 5 * batch_length + 7, false), 5 * batch_length);
    let long = length(3, 50 * batch_length, false);
    assert!(
        long > 30 * batch_length && long <= 50 * batch_length && long.is_multiple_of(batch_length),
        "{long}"
    );
    assert_eq!(length(100, 1_000, true), 0);
    assert!(matches!(
        partition.read(101, 1, true),
        Err(ReadRefusal::OutOfRange(Bounds { start: 0, end: 100 }))
    ));
}

#[test]
fn expired_segments_go_and_the_logs_start_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let small_segments = topic(&[("segment.bytes", "1024")]);
    let partition = open(&folder);
    for number in 0..6_i64 {
        let value = "x".repeat(600);
        let batch = BatchBuilder::new(&[(NOW + number * 1_000, value.as_str())]).build();
        append(&partition, &small_segments, &batch).unwrap();
    }
    let one_second = RetentionPolicy { age_ms: Some(1_000), bytes: None };
    assert_eq!(partition.delete_expired(one_second, NOW + 3_500).unwrap(), 3);
    assert_eq!(partition.bounds(), Bounds { start: 3, end: 6 });
    assert!(matches!(partition.read(2, 1, true), Err(ReadRefusal::OutOfRange(_))));
    let partition = open(&folder);
    assert_eq!(partition.bounds(), Bounds { start: 3, end: 6 });
    assert_eq!(partition.delete_expired(one_second, NOW + 60_000).unwrap(), 3);
    assert_eq!(partition.bounds(), Bounds { start: 6, end: 6 });
    let partition = open(&folder);
    assert_eq!(partition.bounds(), Bounds { start: 6, end: 6 });
    assert_eq!(append_values(&partition, &small_segments, &["next"]), 6);
}

#[test]
fn deleted_records_stay_deleted_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let partition = open(&folder);
    append_values(&partition, &topic(&[]), &["a", "b", "c", "d"]);
    assert_eq!(partition.delete_before(Some(5), NOW).unwrap(), None);
    assert_eq!(partition.delete_before(Some(2), NOW).unwrap(), Some(2));
    assert_eq!(partition.delete_before(Some(1), NOW).unwrap(), Some(2));
    let partition = open(&folder);
    assert_eq!(partition.bounds(), Bounds { start: 2, end: 4 });
    assert_eq!(partition.delete_before(None, NOW).unwrap(), Some(4));
    assert_eq!(open(&folder).bounds(), Bounds { start: 4, end: 4 });
}

#[test]
fn a_topic_with_append_time_stamps_every_batch() {
    let folder = tempfile::tempdir().unwrap();
    let partition = open(&folder);
    let settings = topic(&[("message.timestamp.type", "LogAppendTime")]);
    let appended = append(&partition, &settings, &BatchBuilder::new(&[(5, "a")]).build()).unwrap();
    assert_eq!(appended.append_time, Some(NOW));
    let stored = partition.read(0, 1, true).unwrap().0.unwrap().read().unwrap();
    let header = BatchHeader::of_produced(&stored).unwrap();
    assert!(header.has_append_time());
    assert_eq!(header.max_timestamp, NOW);
}

#[test]
fn batches_are_found_by_time_across_segments() {
    let folder = tempfile::tempdir().unwrap();
    let partition = open(&folder);
    let small_segments = topic(&[("segment.bytes", "1024")]);
    for timestamp in [100, 300, 200, 400] {
        let value = "x".repeat(600);
        append(&partition, &small_segments, &BatchBuilder::new(&[(timestamp, value.as_str())]).build())
            .unwrap();
    }
    let found = |timestamp| {
        let (range, _) = partition.batch_at_time(timestamp).unwrap();
        range.map(|range| BatchHeader::parse(&range.read().unwrap()[..HEADER_LENGTH]).unwrap().base_offset)
    };
    assert_eq!([found(0), found(101), found(301), found(401)], [Some(0), Some(1), Some(3), None]);
    assert_eq!(partition.max_timestamp(), Some(400));
}

#[test]
fn too_large_and_future_batches_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let partition = open(&folder);
    let settings = topic(&[("max.message.bytes", "100"), ("message.timestamp.after.max.ms", "1000")]);
    let large = BatchBuilder::new(&[(NOW, "x".repeat(100).as_str())]).build();
    assert!(matches!(append(&partition, &settings, &large), Err(AppendRefusal::TooLarge)));
    let future = BatchBuilder::new(&[(NOW + 1_001, "a")]).build();
    assert!(matches!(append(&partition, &settings, &future), Err(AppendRefusal::FutureTimestamp)));
    append(&partition, &settings, &BatchBuilder::new(&[(NOW + 1_000, "a")]).build()).unwrap();
}

#[test]
fn listeners_are_woken_by_the_next_append_and_by_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let partition = open(&folder);
    let far = || std::time::Instant::now() + std::time::Duration::from_mins(1);
    let signal = Arc::new(Signal::default());
    assert!(partition.listen(&signal, 0));
    append_values(&partition, &topic(&[]), &["a"]);
    signal.wait_until(far());
    assert!(!partition.listen(&signal, 0), "the log no longer ends where the reader thinks");
    assert!(partition.listen(&signal, 1));
    partition.delete().unwrap();
    signal.wait_until(far());
    assert!(matches!(partition.read(0, 1, true), Err(ReadRefusal::Deleted)));
}
