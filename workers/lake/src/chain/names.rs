//! The names of everything below `_sluice/`. Epochs are zero-padded, so that names sort as numbers.

use sluice_contract::manifest::ChainId;

/// Everything that Sluice remembers is below this directory.
pub(crate) const ROOT: &str = "_sluice";

/// Where the lake says whose it is.
pub(crate) const IDENTITY: &str = "_sluice/lake.json";

/// The name of the hint beside a chain's manifests.
const HINT: &str = "_newest";

/// The name of the sign beside a chain's manifests that somebody is about to go on with it.
const STARTING: &str = "_starting";

/// The directory of a job.
pub(crate) fn job(job: &str) -> String {
    format!("_sluice/{job}")
}

/// Where a generation says how it is cut.
pub(crate) fn generation(job: &str, generation: u64) -> String {
    format!("_sluice/{job}/{generation}/generation.json")
}

/// The directory of a chain's manifests.
pub(crate) fn chain_directory(chain: &ChainId) -> String {
    format!("_sluice/{chain}")
}

/// The manifest of an epoch.
pub(crate) fn manifest(chain: &ChainId, epoch: u64) -> String {
    format!("_sluice/{chain}/{}", manifest_file(epoch))
}

/// The manifest of an epoch, within its chain's directory.
pub(crate) fn manifest_file(epoch: u64) -> String {
    format!("{epoch:020}.json")
}

/// The epoch of a manifest, from its file name; `None` for other files.
pub(crate) fn epoch_of(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(".json")?;
    let all_digits = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { digits.parse().ok() } else { None }
}

/// The hint where a chain ends.
pub(crate) fn hint(chain: &ChainId) -> String {
    format!("_sluice/{chain}/{HINT}")
}

/// The sign that a process is about to go on with a chain.
pub(crate) fn starting(chain: &ChainId) -> String {
    format!("_sluice/{chain}/{STARTING}")
}

/// A new state file. `unique` keeps a writer that was fenced off from overwriting its successor's.
pub(crate) fn state(chain: &ChainId, epoch: u64, unique: uuid::Uuid) -> String {
    let ChainId { job, generation, shard } = chain;
    format!("_sluice/{job}/state/{generation}/{shard}/{epoch:020}-{unique}.state")
}

/// A rule set of a scoring job, by its hash.
pub(crate) fn rule_set(job: &str, hash: &str) -> String {
    format!("_sluice/{job}/rules/{hash}.json")
}

/// The directory of a job's partial aggregates.
pub(crate) fn partial_aggregates_directory(job: &str) -> String {
    format!("_sluice/{job}/partial-aggregates")
}

/// A new file of partial aggregates. `unique` as for [`state`].
pub(crate) fn partial_aggregates(chain: &ChainId, epoch: u64, unique: uuid::Uuid) -> String {
    let ChainId { job, generation, shard } = chain;
    format!("{}/{generation}/{shard}/{epoch:020}-{unique}.partial", partial_aggregates_directory(job))
}

/// The chain and the epoch that a file of partial aggregates is of; `None` for other files.
pub(crate) fn of_partial_aggregates(path: &str) -> Option<(ChainId, u64)> {
    let (job, rest) = path.strip_prefix("_sluice/")?.split_once("/partial-aggregates/")?;
    let mut parts = rest.strip_suffix(".partial")?.splitn(3, '/');
    let (generation, shard) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let epoch = parts.next()?.split_once('-')?.0.parse().ok()?;
    Some((ChainId { job: job.to_owned(), generation, shard }, epoch))
}

/// The directory of the windows that a job took out of memory.
pub(crate) fn spilled_directory(job: &str) -> String {
    format!("_sluice/{job}/spilled")
}

/// Windows of a table that were taken out of memory after an epoch of a chain, by the start of the first of them. One
/// process alone has appended the epoch, and nobody else spills after it.
pub(crate) fn spilled(chain: &ChainId, epoch: u64, table: &str, start_us: i64) -> String {
    let ChainId { job, generation, shard } = chain;
    format!("{}/{generation}/{shard}/{table}/{start_us}_{epoch:020}.windows", spilled_directory(job))
}

/// What a file of spilled windows is named by: its chain, epoch, table and start; `None` for other files.
pub(crate) fn of_spilled(path: &str) -> Option<(ChainId, u64, &str, i64)> {
    let (job, rest) = path.strip_prefix("_sluice/")?.split_once("/spilled/")?;
    let (table, name) = rest.strip_suffix(".windows")?.rsplit_once('/')?;
    let mut parts = table.splitn(3, '/');
    let (generation, shard) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let (start_us, epoch) = name.split_once('_')?;
    let chain = ChainId { job: job.to_owned(), generation, shard };
    Some((chain, epoch.parse().ok()?, parts.next()?, start_us.parse().ok()?))
}

/// What the processes of a lake have agreed to put in place of a torn log entry.
pub(crate) fn repair(table: &str, version: u64) -> String {
    format!("_sluice/repairs/{table}/{version:020}.json")
}

/// Where a file goes that cannot be read.
pub(crate) fn aside(path: &str) -> String {
    format!("_sluice/aside/{}", path.trim_start_matches("_sluice/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_their_epochs_do() {
        let chain = ChainId { job: "ingest".to_owned(), generation: 0, shard: 12 };
        assert_eq!(manifest(&chain, 7), "_sluice/ingest/0/12/00000000000000000007.json");
        assert!(manifest(&chain, 9) < manifest(&chain, 10));
        assert!(manifest(&chain, u64::MAX) > manifest(&chain, u64::MAX - 1));
    }

    #[test]
    fn partial_aggregates_tell_their_chain_and_epoch() {
        let chain = ChainId { job: "ingest".to_owned(), generation: 3, shard: 1 };
        let path = partial_aggregates(&chain, 42, uuid::Uuid::from_u128(7));
        assert_eq!(of_partial_aggregates(&path), Some((chain, 42)));
        for other in [
            "_sluice/ingest/state/3/1/00000000000000000042-7.state",
            "_sluice/ingest/partial-aggregates/3/x",
            "_sluice/ingest/partial-aggregates/3/1/42.partial",
        ] {
            assert_eq!(of_partial_aggregates(other), None, "{other}");
        }
    }

    #[test]
    fn spilled_windows_tell_when_they_were_spilled_and_of_which_table() {
        let chain = ChainId { job: "merge".to_owned(), generation: 3, shard: 0 };
        for start_us in [1_767_643_200_000_000, 0, -600_000_000] {
            let path = spilled(&chain, 42, "gold/merchant", start_us);
            assert_eq!(of_spilled(&path), Some((chain.clone(), 42, "gold/merchant", start_us)));
        }
        for other in [
            "_sluice/merge/state/3/0/00000000000000000042-7.state",
            "_sluice/merge/spilled/3/0/7_42.windows",
            "_sluice/merge/spilled/3/0/gold/x/7.windows",
        ] {
            assert_eq!(of_spilled(other), None, "{other}");
        }
    }

    #[test]
    fn only_manifests_have_an_epoch() {
        assert_eq!(epoch_of("00000000000000000042.json"), Some(42));
        for other in [
            "_newest",
            "42.json",
            "generation.json",
            "0000000000000000004x.json",
            "+0000000000000000004.json",
        ] {
            assert_eq!(epoch_of(other), None, "{other}");
        }
    }
}
