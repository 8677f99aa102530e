//! [`Bucket`]: what a file of a published table holds, told by its name.
//!
//! A table of windows is rewritten bucket by bucket. Whoever publishes it must know, after any restart, in
//! which file a bucket lies: the log has the live files, and their names say the rest.

use uuid::Uuid;

use super::FinishedFile;

/// Some of the rows of one window: those whose key's hash ends in `number`, counted in `of` buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// Start of the window, in microseconds since the Unix epoch.
    pub window_start_us: i64,
    /// Number of the bucket, from 0.
    pub number: u32,
    /// A power of two.
    pub of: u32,
}

impl Bucket {
    /// The bucket that a file of a published table holds; `None` for a file that has another name than
    /// [`FinishedFile::named`] gives.
    pub fn of_file(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?.strip_prefix("window-")?;
        let (window_start_us, rest) = name.split_once("-bucket-")?;
        let (number, rest) = rest.split_once("-of-")?;
        let (of, _) = rest.split_once('-')?;
        let bucket = Self {
            window_start_us: window_start_us.parse().ok()?,
            number: number.parse().ok()?,
            of: of.parse().ok()?,
        };
        (bucket.of.is_power_of_two() && bucket.number < bucket.of).then_some(bucket)
    }

    /// A file name that no other file has.
    fn file_name(self) -> String {
        let Self { window_start_us, number, of } = self;
        format!("window-{window_start_us}-bucket-{number}-of-{of}-{}.parquet", Uuid::new_v4())
    }
}

impl FinishedFile {
    /// The same file, under a name that says which bucket it holds.
    #[must_use]
    pub fn named(mut self, bucket: Bucket) -> Self {
        let directory = self.file.path.rfind('/').map_or(0, |slash| slash + 1);
        self.file.path.replace_range(directory.., &bucket.file_name());
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use sluice_contract::manifest::AddedFile;

    use super::*;

    fn file(path: &str) -> FinishedFile {
        let file = AddedFile {
            path: path.to_owned(),
            size: 1,
            rows: 1,
            partition_values: BTreeMap::new(),
            modification_time_ms: 0,
            stats: String::new(),
        };
        FinishedFile { bytes: Bytes::new(), file }
    }

    #[test]
    fn a_file_tells_its_bucket_and_keeps_its_directory() {
        for bucket in [
            Bucket { window_start_us: 1_767_643_800_000_000, number: 0, of: 1 },
            Bucket { window_start_us: -600_000_000, number: 3, of: 4 },
            Bucket { window_start_us: i64::MIN, number: u32::MAX >> 1, of: 1 << 31 },
        ] {
            for directory in ["window_date=2026-01-05/", ""] {
                let named = |path: &str| file(path).named(bucket).file.path;
                let path = named(&format!("{directory}part-1.parquet"));
                assert!(path.starts_with(directory) && path.ends_with(".parquet"), "{path}");
                assert_eq!(Bucket::of_file(&path), Some(bucket), "{path}");
                assert_ne!(named(&path), path, "a rewritten bucket is another file");
            }
        }
    }

    #[test]
    fn a_file_of_another_tool_tells_no_bucket() {
        for path in [
            "window_date=2026-01-05/part-00000-c000.snappy.parquet",
            "window-1-bucket-1-of-1-x.parquet",
            "window-1-bucket-0-of-3-x.parquet",
            "window-1-bucket-0-of-1.parquet",
            "window-x-bucket-0-of-1-y.parquet",
            "",
        ] {
            assert_eq!(Bucket::of_file(path), None, "{path}");
        }
    }
}
