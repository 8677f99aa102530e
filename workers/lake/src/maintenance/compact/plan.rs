//! Which files are worth being put together. Pure.

use std::collections::BTreeMap;

/// A file of this size is left alone; a smaller one grows until it is as large, and less than twice as large.
pub(super) const TARGET_BYTES: u64 = 128 * 1024 * 1024;

/// Files are put together when they are this many times as large as the largest of them.
///
/// Each time a row is written again its file has grown by this factor, so a row is written at most
/// log4(128 MiB / an epoch's file) times again, six for 30 KiB, and at most three files of each order of
/// size remain in a partition.
const GROWTH: u64 = 4;

/// A live file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct LiveFile {
    /// Path below the table's root.
    pub(in super::super) path: String,
    pub(in super::super) bytes: u64,
    /// Rows, as the log says.
    pub(in super::super) rows: Option<u64>,
    /// When it was written.
    pub(in super::super) modified_ms: i64,
    /// Values of the partition columns, in order.
    pub(in super::super) partition: Vec<Option<String>>,
}

/// The groups of files that become one file each, oldest files first.
///
/// Only files that Sluice has written, and that were written before `settled_ms`, take part.
pub(super) fn groups(files: Vec<LiveFile>, settled_ms: i64) -> Vec<Vec<LiveFile>> {
    let mut partitions: BTreeMap<Vec<Option<String>>, Vec<LiveFile>> = BTreeMap::new();
    for file in files {
        if file.bytes < TARGET_BYTES && file.modified_ms < settled_ms && is_ours(&file.path) {
            partitions.entry(file.partition.clone()).or_default().push(file);
        }
    }
    partitions.into_values().flat_map(|files| cut(worthwhile(files))).collect()
}

/// Leaves out files that are too large for what there is to put with them.
fn worthwhile(mut files: Vec<LiveFile>) -> Vec<LiveFile> {
    files.sort_by_key(|file| file.bytes);
    let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
    while let Some(largest) = files.pop_if(|largest| largest.bytes * GROWTH > bytes) {
        bytes -= largest.bytes;
    }
    files
}

/// Cuts files into groups of the wanted size. Neighbours in time stay together, so that a reader can leave
/// out files by their bounds.
fn cut(mut files: Vec<LiveFile>) -> Vec<Vec<LiveFile>> {
    files.sort_by(|left, right| (left.modified_ms, &left.path).cmp(&(right.modified_ms, &right.path)));
    let mut groups: Vec<Vec<LiveFile>> = Vec::new();
    let mut bytes = TARGET_BYTES;
    for file in files {
        if bytes >= TARGET_BYTES {
            groups.push(Vec::new());
            bytes = 0;
        }
        bytes += file.bytes;
        groups.last_mut().expect("a group was begun").push(file);
    }
    groups.retain(|group| group.len() > 1);
    groups
}

/// Whether a file has a name that only our writer gives: `day=2026-01-05/part-<uuid>.parquet`.
///
/// Others may escape a path in the log, and a file that is removed must be named exactly as it was added.
fn is_ours(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let unique = name.strip_prefix("part-").and_then(|name| name.strip_suffix(".parquet"));
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'=' | b'/');
    unique.is_some_and(|unique| unique.len() == 36 && uuid::Uuid::parse_str(unique).is_ok())
        && path.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn file(number: u64, bytes: u64) -> LiveFile {
        LiveFile {
            path: format!("part-{}.parquet", uuid::Uuid::from_u128(u128::from(number))),
            bytes,
            rows: Some(1),
            modified_ms: number as i64,
            partition: vec![],
        }
    }

    fn sizes(groups: &[Vec<LiveFile>]) -> Vec<Vec<u64>> {
        groups.iter().map(|group| group.iter().map(|file| file.bytes).collect()).collect()
    }

    fn plan(bytes: &[u64]) -> Vec<Vec<u64>> {
        let files = bytes.iter().enumerate().map(|(number, bytes)| file(number as u64, *bytes));
        sizes(&groups(files.collect(), i64::MAX))
    }

    #[test]
    fn small_files_come_together_once_there_are_enough_of_them() {
        assert_eq!(plan(&[1, 1, 1]), Vec::<Vec<u64>>::new());
        assert_eq!(plan(&[1, 1, 1, 1]), [[1, 1, 1, 1]]);
        assert_eq!(plan(&[]), Vec::<Vec<u64>>::new());
    }

    #[test]
    fn a_large_file_is_not_written_again_for_a_few_small_ones() {
        assert_eq!(plan(&[100, 5, 5, 5, 5]), [[5, 5, 5, 5]]);
        assert_eq!(plan(&[100, 90, 80, 5, 5, 5, 5]), [[5, 5, 5, 5]]);
        assert_eq!(plan(&[100, 100, 90, 110, 60]), [[100, 100, 90, 110, 60]]);
    }

    #[test]
    fn groups_are_as_large_as_wanted_and_less_than_twice_as_large() {
        let groups = plan(&[50 * MIB; 20]);
        assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 3, 3, 3, 2]);
        for bytes in groups.iter().take(6).map(|group| group.iter().sum::<u64>()) {
            assert!((TARGET_BYTES..2 * TARGET_BYTES).contains(&bytes), "{bytes}");
        }
        assert_eq!(plan(&[TARGET_BYTES; 10]), Vec::<Vec<u64>>::new(), "large enough");
    }

    #[test]
    fn a_group_holds_neighbours_in_time_whatever_their_order_in_the_log() {
        let files = [3, 0, 2, 1].map(|number| file(number, 10)).to_vec();
        let groups = groups(files, i64::MAX);
        assert_eq!(groups[0].iter().map(|file| file.modified_ms).collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn files_of_different_partitions_and_young_files_stay_apart() {
        let mut files: Vec<LiveFile> = (0..8).map(|number| file(number, 10)).collect();
        for file in &mut files[4..] {
            file.partition = vec![Some("2026-01-05".to_owned())];
        }
        files[..4].iter_mut().for_each(|file| file.partition = vec![None]);
        assert_eq!(groups(files.clone(), i64::MAX).len(), 2);
        assert_eq!(groups(files.clone(), 4).len(), 1, "the second partition was written later");
        assert_eq!(groups(files, 0).len(), 0);
    }

    #[test]
    fn files_of_other_writers_are_left_alone() {
        let uuid = uuid::Uuid::from_u128(1);
        assert!(is_ours(&format!("part-{uuid}.parquet")));
        assert!(is_ours(&format!("day=2026-01-05/part-{uuid}.parquet")));
        for other in [
            format!("part-00000-{uuid}-c000.snappy.parquet"),
            format!("day=a%20b/part-{uuid}.parquet"),
            format!("day%3D2026-01-05/part-{uuid}.parquet"),
            format!("s3://bucket/part-{uuid}.parquet"),
            "part-1.parquet".to_owned(),
            format!("part-{uuid}.csv"),
        ] {
            assert!(!is_ours(&other), "{other}");
        }
    }

    /// A day of epochs each second, compacted each hour: what a row costs, and what remains.
    #[test]
    fn a_row_is_written_again_a_few_times_and_few_files_remain() {
        let mut files: Vec<LiveFile> = Vec::new();
        let (mut written, mut fresh) = (0, 0);
        for hour in 0..24_u64 {
            files.extend((0..3600).map(|second| file(hour * 10_000 + second, 10_000)));
            fresh += 3600 * 10_000;
            for group in groups(files.clone(), i64::MAX) {
                let bytes: u64 = group.iter().map(|file| file.bytes).sum();
                files.retain(|file| !group.contains(file));
                files.push(file(hour * 10_000 + 9_999, bytes));
                written += bytes;
            }
        }
        assert!(written <= 3 * fresh, "{written} bytes written again for {fresh}");
        assert!(files.len() <= 12, "{} files remain", files.len());
    }
}
