//! [`Layout`]: in which file each published bucket lies. Pure.

use std::collections::BTreeMap;

use sluice_lake::Bucket;

/// Why the files of a table are not what the merge has published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// A live file that no publication of the merge has made.
    Foreign {
        /// Its path below the table's root.
        path: String,
    },
    /// Two live files for the same rows.
    Twice {
        /// The path of one of them.
        path: String,
    },
    /// No live file for rows that were published.
    Missing {
        /// The rows.
        bucket: Bucket,
    },
}

/// Where the buckets of one table lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    paths: BTreeMap<Bucket, String>,
}

impl Layout {
    /// The layout that the live files of a table tell by their names.
    pub(super) fn of(files: impl IntoIterator<Item = String>) -> Result<Self, Misplaced> {
        let mut paths = BTreeMap::new();
        for path in files {
            let Some(bucket) = Bucket::of_file(&path) else { return Err(Misplaced::Foreign { path }) };
            if let Some(other) = paths.insert(bucket, path) {
                return Err(Misplaced::Twice { path: other });
            }
        }
        Ok(Self { paths })
    }

    /// The buckets, in order.
    pub(super) fn buckets(&self) -> impl Iterator<Item = Bucket> {
        self.paths.keys().copied()
    }

    /// Takes buckets out, and gives the paths of their files.
    pub(super) fn take(&mut self, buckets: &[Bucket]) -> Result<Vec<String>, Misplaced> {
        let take = |bucket: &Bucket| self.paths.remove(bucket).ok_or(Misplaced::Missing { bucket: *bucket });
        buckets.iter().map(take).collect()
    }

    /// A bucket lies in this file from now on.
    pub(super) fn put(&mut self, bucket: Bucket, path: String) {
        self.paths.insert(bucket, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(number: u32, of: u32) -> Bucket {
        Bucket { window_start_us: 600_000_000, number, of }
    }

    fn path(number: u32, of: u32) -> String {
        format!("window_date=1970-01-01/window-600000000-bucket-{number}-of-{of}-x.parquet")
    }

    #[test]
    fn a_bucket_that_is_split_leaves_its_file_and_its_parts_have_their_own() {
        let mut layout = Layout::of([path(0, 1)]).unwrap();
        assert_eq!(layout.take(&[bucket(0, 1)]), Ok(vec![path(0, 1)]));
        layout.put(bucket(0, 2), path(0, 2));
        layout.put(bucket(1, 2), path(1, 2));
        assert_eq!(Layout::of([path(1, 2), path(0, 2)]), Ok(layout.clone()), "a restart knows the same");
        assert_eq!(layout.take(&[bucket(1, 2), bucket(0, 2)]), Ok(vec![path(1, 2), path(0, 2)]));
    }

    #[test]
    fn files_that_the_merge_has_not_made_are_told() {
        let foreign = "window_date=1970-01-01/part-0.parquet".to_owned();
        assert_eq!(Layout::of([foreign.clone()]), Err(Misplaced::Foreign { path: foreign }));
        let copy = path(0, 1).replace("-x", "-y");
        assert_eq!(Layout::of([path(0, 1), copy]), Err(Misplaced::Twice { path: path(0, 1) }));
        let mut layout = Layout::of([path(0, 2)]).unwrap();
        assert_eq!(layout.take(&[bucket(1, 2)]), Err(Misplaced::Missing { bucket: bucket(1, 2) }));
    }
}
