//! What the system knows of this process: [`Usage`], read from `/proc`.
//!
//! The process collector of the `prometheus` crate would bring a second rustix and counts CPU in whole
//! seconds, too coarse for a rate over a minute.

use std::fs;

/// Ticks of a second in `/proc`: fixed in the interface of the kernel, whatever its own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// CPU time, in seconds.
    pub cpu_seconds: f64,
    /// Bytes of main memory that it holds.
    pub resident_bytes: u64,
    /// Bytes of address space that it has mapped.
    pub virtual_bytes: u64,
    /// When it started, in seconds since the Unix epoch.
    pub started_at_seconds: f64,
    /// Threads.
    pub threads: u64,
    /// Open file descriptors.
    pub open_files: u64,
}

/// What this process uses now; `None` where the system has no `/proc`.
pub fn usage() -> Option<Usage> {
    let open_files = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    let texts = ["/proc/self/stat", "/proc/self/status", "/proc/stat"].map(fs::read_to_string);
    let [Ok(stat), Ok(status), Ok(system)] = texts else { return None };
    parse(&stat, &status, &system, open_files)
}

fn parse(stat: &str, status: &str, system: &str, open_files: u64) -> Option<Usage> {
    // The second field is the program's name in brackets, which may hold anything; the third follows it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    let (user, system_time, started) = (ticks(14)?, ticks(15)?, ticks(22)?);
    let booted_at: f64 = value_of(system, "btime")?.parse().ok()?;
    let kibibytes = |name: &str| Some(value_of(status, name)?.parse::<u64>().ok()? * 1_024);
    Some(Usage {
        cpu_seconds: (user + system_time) / TICKS_PER_SECOND,
        resident_bytes: kibibytes("VmRSS:")?,
        virtual_bytes: kibibytes("VmSize:")?,
        started_at_seconds: booted_at + started / TICKS_PER_SECOND,
        threads: value_of(status, "Threads:")?.parse().ok()?,
        open_files,
    })
}

/// The first value of the line with this name.
fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::now_ms;

    #[test]
    fn what_the_kernel_writes_is_read_whatever_the_program_is_called() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 1200 10000 25 18446744073709551615";
        let status = "Name:\tworker\nVmSize:\t    2048 kB\nVmRSS:\t     512 kB\nThreads:\t9\n";
        let usage = parse(stat, status, "cpu 1 2\nbtime 1700000000\n", 12).expect("the texts are whole");
        let expected = Usage {
            cpu_seconds: 3.0,
            resident_bytes: 512 * 1_024,
            virtual_bytes: 2_048 * 1_024,
            started_at_seconds: 1_700_000_012.0,
            threads: 9,
            open_files: 12,
        };
        assert_eq!(usage, expected);
        assert_eq!(parse("7 (a) S", status, "btime 1", 12), None);
    }

    #[test]
    fn this_process_uses_something() {
        let usage = usage().expect("tests run on Linux");
        let age = now_ms() as f64 / 1_000.0 - usage.started_at_seconds;
        assert!((-2.0..3_600.0).contains(&age), "{usage:?}");
        assert!(usage.resident_bytes > 0 && usage.virtual_bytes >= usage.resident_bytes, "{usage:?}");
        assert!(usage.threads >= 1 && usage.open_files >= 3, "{usage:?}");
    }
}
