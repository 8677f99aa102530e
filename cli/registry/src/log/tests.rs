//! What survives, what is cut, and what is refused.

use std::fs;

use super::{FILE_NAME, Log, LogError};
use crate::catalogue::Event;

fn event(version: u32) -> Event {
    Event::VersionDeleted { subject: "s".to_owned(), version, permanent: false }
}

#[test]
fn events_come_back_in_order() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (mut log, events) = Log::open(directory.path()).expect("opens");
    assert!(events.is_empty());
    log.append(&event(1)).expect("appends");
    log.append(&event(2)).expect("appends");
    drop(log);
    let (_log, events) = Log::open(directory.path()).expect("opens again");
    assert_eq!(events, [event(1), event(2)]);
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_log_goes_on() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join(FILE_NAME);
    let (mut log, _) = Log::open(directory.path()).expect("opens");
    log.append(&event(1)).expect("appends");
    let whole = fs::read(&path).expect("reads");
    log.append(&event(2)).expect("appends");
    drop(log);
    let both = fs::read(&path).expect("reads");
    for length in whole.len()..both.len() {
        fs::write(&path, &both[..length]).expect("writes");
        let (mut log, events) = Log::open(directory.path()).expect("opens");
        assert_eq!(events, [event(1)], "cut at {length}");
        log.append(&event(3)).expect("appends");
        drop(log);
        let (_log, events) = Log::open(directory.path()).expect("opens");
        assert_eq!(events, [event(1), event(3)], "cut at {length}");
    }
}

#[test]
fn a_damaged_line_before_the_last_is_refused_with_its_number() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join(FILE_NAME);
    let (mut log, _) = Log::open(directory.path()).expect("opens");
    for version in 1..=3 {
        log.append(&event(version)).expect("appends");
    }
    drop(log);
    let text = fs::read_to_string(&path).expect("reads").replace("\"version\":2", "\"version\":7");
    fs::write(&path, text).expect("writes");
    let error = Log::open(directory.path()).expect_err("line 2 was changed");
    assert!(matches!(error, LogError::Damaged { line: 2, .. }), "{error}");
}

#[test]
fn a_second_registry_on_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let _first = Log::open(directory.path()).expect("opens");
    let error = Log::open(directory.path()).expect_err("the first holds the lock");
    assert!(matches!(error, LogError::InUse { .. }), "{error}");
}
