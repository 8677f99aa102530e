//! Temporary files that processes have left behind when they died while they wrote. Listings do not show them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Deletes the temporary files below a directory that were last written before a time; how many.
///
/// A file that is gone, or a directory that comes and goes meanwhile, is nobody's fault.
pub(super) fn delete_abandoned(directory: &Path, before: SystemTime) -> io::Result<u64> {
    let mut deleted = 0;
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let Some(entries) = unless_gone(fs::read_dir(&directory))? else { continue };
        for entry in entries {
            let entry = entry?;
            let Some(metadata) = unless_gone(entry.metadata())? else { continue };
            let path: PathBuf = entry.path();
            if metadata.is_dir() {
                directories.push(path);
            } else if is_temporary(&path) && metadata.modified()? < before {
                deleted += u64::from(unless_gone(fs::remove_file(&path))?.is_some());
            }
        }
    }
    Ok(deleted)
}

/// `<name>#<number>`, as `staged` names them.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let number = name.rsplit_once('#').map(|(_, number)| number);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn unless_gone<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_temporary_files_go_and_only_old_ones() {
        let directory = tempfile::tempdir().unwrap();
        let partition = directory.path().join("bronze/day=2026-01-05");
        fs::create_dir_all(&partition).unwrap();
        let names = ["part-1.parquet", "part-2.parquet#123", "part-3.parquet#x", "part#4.parquet", "part#"];
        for name in names {
            fs::write(partition.join(name), "x").unwrap();
        }
        let later = SystemTime::now() + Duration::from_secs(60);
        let earlier = SystemTime::now() - Duration::from_secs(60);
        assert_eq!(delete_abandoned(directory.path(), earlier).unwrap(), 0);
        assert_eq!(delete_abandoned(directory.path(), later).unwrap(), 1);
        let mut left: Vec<String> = fs::read_dir(&partition)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["part#", "part#4.parquet", "part-1.parquet", "part-3.parquet#x"]);
        assert_eq!(delete_abandoned(&directory.path().join("none"), later).unwrap(), 0);
    }
}
