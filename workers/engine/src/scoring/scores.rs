//! [`Scores`]: points, levels and reasons of each row.

use std::ops::Range;

use arrow::array::{Array, AsArray, Int32Array};
use arrow::buffer::BooleanBuffer;

use super::rules::{Levels, Rules};
use super::silver_rows::SilverRows;
use crate::expression::Evaluated;
use crate::silver::Selection;

/// Points of each row, and which rules gave them.
#[derive(Debug)]
pub(super) struct Scores {
    /// The sum of all rules that fired.
    pub(super) score: Vec<i32>,
    /// The sum without the rules that read the label.
    pub(super) unlabelled: Vec<i32>,
    /// Which rules fired: bit `i` is rule number `i`.
    pub(super) fired: Vec<u128>,
    /// The rows on which a rule failed, ascending, with its number.
    failed: Vec<(usize, usize)>,
}

/// What happened in a range of rows, by name.
#[derive(Debug)]
pub(super) struct Tally<'a> {
    pub(super) levels: Vec<(&'a str, u64)>,
    pub(super) rules: Vec<(&'a str, u64)>,
    pub(super) failed: Vec<(&'a str, u64)>,
}

impl Scores {
    /// Scores rows. A rule fires where it is TRUE: neither where it is null nor where it fails.
    pub(super) fn of(rules: &Rules, rows: &SilverRows, counts: &[Int32Array]) -> Self {
        let mut scores = Self {
            score: vec![0; rows.len()],
            unlabelled: vec![0; rows.len()],
            fired: vec![0; rows.len()],
            failed: Vec::new(),
        };
        let selection = Selection::all(rows.len());
        for (number, rule) in rules.list().iter().enumerate() {
            let is_true = match rule.condition.expression() {
                Some(expression) => {
                    let Evaluated { values, failures } =
                        expression.evaluate(rows.columns.columns(), &selection);
                    scores.failed.extend(failures.iter().map(|failure| (failure.row, number)));
                    let values = values.as_boolean();
                    match values.nulls() {
                        None => values.values().clone(),
                        Some(nulls) => values.values() & nulls.inner(),
                    }
                }
                None => rule.condition.exceeded(counts),
            };
            scores.fire(number, rule.points, rule.reads_label, &is_true);
        }
        scores.failed.sort_unstable();
        scores
    }

    fn fire(&mut self, number: usize, points: i32, reads_label: bool, is_true: &BooleanBuffer) {
        for row in is_true.set_indices() {
            self.fired[row] |= 1 << number;
            self.score[row] += points;
            if !reads_label {
                self.unlabelled[row] += points;
            }
        }
    }

    /// The rows that raise an alert, ascending.
    pub(super) fn alerting(&self, rules: &Rules) -> Vec<usize> {
        let Some(from) = rules.levels().alert_from else { return Vec::new() };
        let scores = self.score.iter().enumerate();
        scores.filter(|(_, score)| **score >= from).map(|(row, _)| row).collect()
    }

    /// Numbers of the rules that fired for a row, ascending.
    pub(super) fn reasons(&self, row: usize) -> impl Iterator<Item = usize> {
        let mut fired = self.fired[row];
        std::iter::from_fn(move || {
            let number = (fired != 0).then(|| fired.trailing_zeros() as usize)?;
            fired &= fired - 1;
            Some(number)
        })
    }

    /// Counts a range of rows.
    pub(super) fn tally<'a>(&self, rules: &'a Rules, rows: Range<usize>) -> Tally<'a> {
        let levels = rules.levels();
        let mut of_level = vec![0_u64; levels.list.len()];
        let mut of_rule = vec![0_u64; rules.list().len()];
        for row in rows.clone() {
            of_level[levels.index(self.score[row])] += 1;
            for number in self.reasons(row) {
                of_rule[number] += 1;
            }
        }
        let mut of_failed = vec![0_u64; rules.list().len()];
        for (_, number) in self.failed.iter().filter(|(row, _)| rows.contains(row)) {
            of_failed[*number] += 1;
        }
        let level_names = levels.list.iter().map(|level| level.name.as_str());
        let rule_names = || rules.list().iter().map(|rule| rule.name.as_str());
        let happened = |(_, count): &(&str, u64)| *count > 0;
        Tally {
            levels: level_names.zip(of_level).filter(happened).collect(),
            rules: rule_names().zip(of_rule).filter(happened).collect(),
            failed: rule_names().zip(of_failed).filter(happened).collect(),
        }
    }
}

impl Levels {
    /// The level of a score, counted from the lowest.
    pub(super) fn index(&self, score: i32) -> usize {
        self.list.partition_point(|level| level.min_score <= score).saturating_sub(1)
    }

    /// The name of a score's level.
    pub(super) fn name(&self, score: i32) -> &str {
        &self.list[self.index(score)].name
    }
}
