//! [`Cut`]: which shard of a job has which partition.

/// One shard of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cut {
    /// Number of shards.
    pub shards: u32,
    /// The shard's number, from 0.
    pub shard: u32,
}

impl Cut {
    /// Whether the shard has a partition: the shard `p % shards` has the partition `p`.
    pub fn has(self, partition: i32) -> bool {
        u32::try_from(partition).is_ok_and(|partition| partition.checked_rem(self.shards) == Some(self.shard))
    }
}

#[cfg(test)]
mod tests {
    use super::Cut;

    #[test]
    fn every_partition_belongs_to_exactly_one_shard() {
        for partition in 0..100 {
            let owners: Vec<u32> =
                (0..3).filter(|shard| Cut { shards: 3, shard: *shard }.has(partition)).collect();
            assert_eq!(owners, [partition as u32 % 3]);
        }
        assert!(!Cut { shards: 1, shard: 0 }.has(-1));
    }
}
