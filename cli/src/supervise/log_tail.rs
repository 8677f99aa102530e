//! The last lines of a log, from where the present process began to write.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

const LINES: usize = 12;
const BYTES: u64 = 16 * 1024;

/// The last lines that were written after the first `from` bytes. A log that cannot be read has none.
pub(crate) fn last_lines(log: &Path, from: u64) -> Vec<String> {
    let text = read_end(log, from).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

fn read_end(log: &Path, from: u64) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(BYTES))))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{LINES, last_lines};

    #[test]
    fn only_the_end_of_what_the_present_process_wrote_is_shown() {
        let directory = tempfile::tempdir().expect("temporary directory");
        let log = directory.path().join("x.log");
        let before = "an earlier process\n";
        let lines: Vec<String> = (0..LINES + 3).map(|number| format!("line {number}")).collect();
        fs::write(&log, format!("{before}{}\n", lines.join("\n"))).expect("writes");
        assert_eq!(last_lines(&log, before.len() as u64), lines[3..]);
        fs::write(&log, format!("{before}only\n")).expect("writes");
        assert_eq!(last_lines(&log, before.len() as u64), ["only"]);
        assert!(last_lines(&directory.path().join("none.log"), 0).is_empty());
    }
}
