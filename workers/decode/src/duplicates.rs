//! Keys of a map that come more than once: the last one counts.

use std::collections::HashSet;
use std::hash::Hash;

/// Below this number of keys comparing each with each is faster than hashing.
const FEW: usize = 16;

/// For each key, whether it does not come again later.
pub(crate) fn last_of_each<K: Eq + Hash>(keys: &[K]) -> Vec<bool> {
    if keys.len() < FEW {
        return keys.iter().enumerate().map(|(index, key)| !keys[index + 1..].contains(key)).collect();
    }
    let mut seen = HashSet::with_capacity(keys.len());
    let mut last: Vec<bool> = keys.iter().rev().map(|key| seen.insert(key)).collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_of_equal_keys_counts() {
        assert_eq!(last_of_each(&["a", "b", "a", "c", "b"]), [false, false, true, true, true]);
        assert_eq!(last_of_each::<&str>(&[]), [] as [bool; 0]);
        let many: Vec<usize> = (0..100).chain(50..150).collect();
        let expected: Vec<bool> = (0..200).map(|index| !(50..100).contains(&index)).collect();
        assert_eq!(last_of_each(&many), expected);
    }
}
