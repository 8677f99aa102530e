//! State files: what is written is read, and nothing else is.

use std::fs;
use std::path::Path;

use super::*;
use crate::deduplication::Key;

/// Watermarks trail by 1 ms, rows are counted for 2 ms more.
const TRAILING: Retention = Retention { max_out_of_orderness_ms: 1, keep_ms: 2 };

fn entry(number: u128, expiry_us: i64) -> Entry {
    Entry::new(Key::new((number << 64) + 77), expiry_us)
}

fn file(partitions: &[(i32, Vec<Entry>)]) -> Vec<u8> {
    let additions = |remembered| Additions { remembered, counted: &[] };
    write(partitions.iter().map(|(partition, entries)| (*partition, additions(entries.as_slice()))))
        .expect("there are entries")
}

fn contents(file: &[u8]) -> Vec<(i32, Vec<Entry>)> {
    let sections = read(file).expect("the file is whole");
    sections.iter().map(|section| (section.partition, section.entries().collect())).collect()
}

fn progress(max_event_time_us: &[(i32, Option<i64>)]) -> BTreeMap<i32, PartitionProgress> {
    let of = |&(partition, max_event_time_us): &(i32, Option<i64>)| {
        (partition, PartitionProgress { max_event_time_us, ..PartitionProgress::starting_at(0) })
    };
    max_event_time_us.iter().map(of).collect()
}

#[test]
fn what_is_written_is_read() {
    let partitions = [(0, vec![entry(1, -5), entry(2, i64::MIN)]), (7, vec![entry(3, i64::MAX)])];
    assert_eq!(contents(&file(&partitions)), partitions);
}

#[test]
fn nothing_to_remember_is_no_file() {
    assert_eq!(write([(0, Additions::default()), (1, Additions::default())].into_iter()), None);
}

#[test]
fn partitions_without_entries_have_no_section() {
    let written = file(&[(0, vec![]), (1, vec![entry(1, 1)]), (2, vec![])]);
    assert_eq!(contents(&written), [(1, vec![entry(1, 1)])]);
}

#[test]
fn a_changed_or_missing_byte_is_noticed() {
    let whole = file(&[(0, vec![entry(1, 1), entry(2, 2)])]);
    for position in 0..whole.len() {
        let mut changed = whole.clone();
        changed[position] ^= 0x10;
        assert!(read(&changed).is_err(), "byte {position}");
        assert!(read(&whole[..position]).is_err(), "cut at {position}");
    }
}

#[test]
fn foreign_files_and_newer_formats_are_named() {
    assert_eq!(
        read(b"PAR1 and more bytes than a header").err(),
        Some(StateError::NotAStateFile { magic: "SLUICEST" })
    );
    assert_eq!(read(b"").err(), Some(StateError::NotAStateFile { magic: "SLUICEST" }));
    let mut newer = file(&[(0, vec![entry(1, 1)])]);
    newer[8] = 2;
    assert_eq!(read(&newer).err(), Some(StateError::FormatVersion { found: 2, newest: 1 }));
}

#[test]
fn state_files_of_earlier_releases_are_read() {
    let older = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/older_versions");
    let mut folders = vec![older];
    let mut entries = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "state") {
                let file = fs::read(&path).unwrap();
                let sections = read(&file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                entries += sections.iter().map(|section| section.entries().count()).sum::<usize>();
            }
        }
    }
    assert!(entries > 0, "they remember rows");
}

#[test]
fn a_section_beyond_the_end_is_an_error_even_with_a_right_checksum() {
    let mut lying = file(&[(0, vec![entry(1, 1)])]);
    lying.truncate(lying.len() - 4);
    lying[20..28].copy_from_slice(&u64::MAX.to_le_bytes());
    lying.extend_from_slice(&crc32c::crc32c(&lying).to_le_bytes());
    let expected = StateError::Section { position: 12, problem: "ends beyond the file" };
    assert_eq!(read(&lying).err(), Some(expected));
}

#[test]
fn a_merge_keeps_what_the_watermarks_have_not_passed() {
    let base = file(&[(0, vec![entry(1, 99), entry(2, 100)]), (1, vec![entry(3, 0)])]);
    let delta = file(&[(0, vec![entry(4, 500)]), (2, vec![entry(5, 500)])]);
    // W of partition 0 is 1,100 us - 1 ms = 100 us; partition 1 has none; 2 is another shard's.
    let progress = progress(&[(0, Some(1_100)), (1, None)]);
    let merged =
        merge(&[base, delta], &progress, TRAILING).expect("the files are whole").expect("something is left");
    assert_eq!(contents(&merged), [(0, vec![entry(2, 100), entry(4, 500)]), (1, vec![entry(3, 0)])]);
}

#[test]
fn a_merge_of_what_has_expired_is_no_file() {
    let base = file(&[(0, vec![entry(1, 99)])]);
    assert_eq!(merge(&[base], &progress(&[(0, Some(1_100))]), TRAILING), Ok(None));
    assert_eq!(merge::<Vec<u8>>(&[], &progress(&[]), TRAILING), Ok(None));
}

#[test]
fn a_merge_refuses_a_broken_file() {
    let mut broken = file(&[(0, vec![entry(1, 99)])]);
    broken[20] ^= 1;
    assert!(matches!(merge(&[broken], &progress(&[]), TRAILING), Err(StateError::Checksum { .. })));
}

fn counted(number: u128, event_time_us: i64) -> Counted {
    Counted { key: Key::new((number << 64) + 77), event_time_us }
}

fn counts(file: &[u8]) -> Vec<(i32, Counted)> {
    let sections = read(file).expect("the file is whole");
    sections
        .iter()
        .flat_map(|section| section.counted().map(|counted| (section.partition, counted)))
        .collect()
}

#[test]
fn counted_rows_are_read_as_they_were_written_beside_remembered_ones() {
    let times = [counted(1, -5), counted(1, -5), counted(2, i64::MIN)];
    let additions = Additions { remembered: &[entry(9, 1)], counted: &times };
    let file = write([(3, additions)].into_iter()).expect("there are additions");
    assert_eq!(counts(&file), times.map(|counted| (3, counted)));
    let remembered: Vec<Entry> = read(&file).unwrap().iter().flat_map(Section::entries).collect();
    assert_eq!(remembered, [entry(9, 1)]);
}

#[test]
fn a_merge_keeps_every_counted_row_that_lies_within_keep_of_its_watermark() {
    let file = |counted: &[Counted]| {
        write([(0, Additions { remembered: &[], counted })].into_iter()).expect("there are counted rows")
    };
    // W is 10,000 us - 1 ms, and what lies more than 2 ms before it is forgotten.
    let base = file(&[counted(1, 6_999), counted(1, 7_000), counted(2, 7_000)]);
    let delta = file(&[counted(1, 7_000), counted(2, 6_000)]);
    let merged = merge(&[base, delta], &progress(&[(0, Some(10_000))]), TRAILING);
    let merged = merged.expect("the files are whole").expect("something is left");
    assert_eq!(
        counts(&merged),
        [counted(1, 7_000), counted(2, 7_000), counted(1, 7_000)].map(|row| (0, row))
    );
}
