//! [`Rules`]: a rule set, checked and compiled.

use std::collections::BTreeSet;

use arrow::array::{Array, Int32Array};
use arrow::buffer::BooleanBuffer;
use sluice_contract::scorer::{Level as LevelOf, RuleSet};

use super::plan::ScoringPlan;
use crate::expression::{Compiler, Expression, Problem};
use crate::plan::{Problems, boolean};

/// Each rule is a bit of a row's reasons.
const MOST_RULES: usize = 128;

/// A rule set, checked and compiled for one configuration.
#[derive(Clone, Debug)]
pub struct Rules {
    hash: String,
    /// The rules in order, then those of velocity.
    rules: Vec<Rule>,
    velocity_bits: u128,
    levels: Levels,
}

/// What earns a row points.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) points: i32,
    /// Whether it reads the label, directly or through a column that is computed from it.
    pub(super) reads_label: bool,
    pub(super) condition: Condition,
}

/// When a rule fires.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// Where this is TRUE, over the columns of silver.
    IsTrue(Expression),
    /// Where a count of the plan is more than this.
    Exceeds { count: usize, more_than: i32 },
}

impl Condition {
    /// The expression, if it is one.
    pub(super) fn expression(&self) -> Option<&Expression> {
        match self {
            Self::IsTrue(expression) => Some(expression),
            Self::Exceeds { .. } => None,
        }
    }

    /// Where a count is exceeded; nowhere if it is no count.
    pub(super) fn exceeded(&self, counts: &[Int32Array]) -> BooleanBuffer {
        match self {
            Self::IsTrue(_) => BooleanBuffer::new_unset(counts.first().map_or(0, Array::len)),
            Self::Exceeds { count, more_than } => {
                let counts = &counts[*count];
                BooleanBuffer::collect_bool(counts.len(), |row| {
                    counts.is_valid(row) && counts.value(row) > *more_than
                })
            }
        }
    }
}

/// Names for ranges of the score.
#[derive(Clone, Debug)]
pub(super) struct Levels {
    /// From the lowest, which begins at 0, up.
    pub(super) list: Vec<Level>,
    /// The score from which on a row is to be reviewed.
    pub(super) review_from: Option<i32>,
    /// The score from which on a row raises an alert.
    pub(super) alert_from: Option<i32>,
}

/// The name of a range of the score.
#[derive(Clone, Debug)]
pub(super) struct Level {
    pub(super) name: String,
    pub(super) min_score: i32,
}

impl Rules {
    /// Checks and compiles a rule set. Where there are problems, what it gives is not all of it.
    pub(super) fn compile(plan: &ScoringPlan, rules: &RuleSet, problems: &mut Problems) -> Self {
        let mut compiled = compile_rules(plan, rules, problems);
        let first_velocity = compiled.len() as u32;
        compiled.extend(compile_velocity(plan, rules, problems));
        check_names(rules, problems);
        check_sum(rules, problems);
        let levels = levels(rules, problems);
        let velocity_bits = u128::MAX.checked_shl(first_velocity).unwrap_or(0);
        Self { hash: rules.hash(), rules: compiled, velocity_bits, levels }
    }

    /// The bits, of those that say which rules fired, that are velocity rules'.
    pub(super) fn velocity_bits(&self) -> u128 {
        self.velocity_bits
    }

    /// The hash of the rule set.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The rules, those of velocity last.
    pub(super) fn list(&self) -> &[Rule] {
        &self.rules
    }

    /// The levels.
    pub(super) fn levels(&self) -> &Levels {
        &self.levels
    }

    /// Names of the levels, from the lowest up.
    pub fn level_names(&self) -> impl Iterator<Item = &str> {
        self.levels.list.iter().map(|level| level.name.as_str())
    }

    /// Names of the rules in order, those of velocity last.
    pub fn rule_names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.name.as_str())
    }

    /// Names of the rules that read the label.
    pub fn reading_label(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|rule| rule.reads_label).map(|rule| rule.name.as_str())
    }
}

fn compile_rules(plan: &ScoringPlan, rules: &RuleSet, problems: &mut Problems) -> Vec<Rule> {
    let compiler = Compiler::new();
    let mut compiled = Vec::new();
    for (index, rule) in rules.rules.iter().enumerate() {
        let expression = compiler.compile(&rule.when, &plan.scope).map_err(of_silver).and_then(boolean);
        match expression {
            Ok(expression) => {
                let reads_label = expression.inputs().any(|(_, column)| plan.reads_label[column]);
                let (name, points) = (rule.name.clone(), points(rule.points));
                compiled.push(Rule { name, points, reads_label, condition: Condition::IsTrue(expression) });
            }
            Err(problem) => problems.add_of(format!("rules[{index}].when"), problem),
        }
    }
    compiled
}

/// A rule sees the columns of silver, all of them and nothing else.
fn of_silver(problem: Problem) -> Problem {
    match &problem.unknown_column {
        Some(name) => Problem { message: format!("silver has no column `{name}`"), ..problem },
        None => problem,
    }
}

fn compile_velocity(plan: &ScoringPlan, rules: &RuleSet, problems: &mut Problems) -> Vec<Rule> {
    let mut compiled = Vec::new();
    for (index, rule) in rules.velocity.iter().enumerate() {
        let Some(count) = plan.counts.iter().position(|count| count.name == rule.name) else {
            if plan.broken_counts.contains(&rule.name) {
                continue;
            }
            let message = format!("this worker does not count `{}`", rule.name);
            let fix = "wait until it runs the scorer's new configuration, or correct the name";
            problems.add(format!("velocity[{index}].name"), message, fix);
            continue;
        };
        compiled.push(Rule {
            name: rule.name.clone(),
            points: points(rule.points),
            reads_label: plan.reads_label[plan.counts[count].key],
            condition: Condition::Exceeds {
                count,
                more_than: i32::try_from(rule.more_than).unwrap_or(i32::MAX),
            },
        });
    }
    compiled
}

fn points(points: u32) -> i32 {
    i32::try_from(points).unwrap_or(i32::MAX)
}

fn check_names(rules: &RuleSet, problems: &mut Problems) {
    let of_rules = rules.rules.iter().enumerate().map(|(index, rule)| ("rules", index, &rule.name));
    let of_velocity = rules.velocity.iter().enumerate().map(|(index, rule)| ("velocity", index, &rule.name));
    let mut names = BTreeSet::new();
    for (list, index, name) in of_rules.chain(of_velocity) {
        let field = format!("{list}[{index}].name");
        if name.is_empty() {
            problems.add(field, "it is empty", "name the rule: the column reasons lists it");
        } else if !names.insert(name) {
            problems.add(
                field,
                format!("`{name}` is the name of another rule"),
                "give each a name of its own",
            );
        }
    }
    if names.len() > MOST_RULES {
        problems.add(
            "rules",
            format!("there are {} rules", names.len()),
            "have at most 128, velocity included",
        );
    }
}

/// The sum of all points must be a score.
fn check_sum(rules: &RuleSet, problems: &mut Problems) {
    let of_rules = rules.rules.iter().map(|rule| u64::from(rule.points));
    let sum: u64 = of_rules.chain(rules.velocity.iter().map(|rule| u64::from(rule.points))).sum();
    if sum > i32::MAX as u64 {
        let message = format!("all points together are {sum}, more than a score can be");
        problems.add("rules", message, "give fewer points: what counts is how they compare");
    }
}

fn levels(rules: &RuleSet, problems: &mut Problems) -> Levels {
    let mut list: Vec<Level> = rules
        .levels
        .iter()
        .map(|level| Level { name: level.name.clone(), min_score: points(level.min_score) })
        .collect();
    list.sort_by_key(|level| level.min_score);
    if list.first().is_none_or(|lowest| lowest.min_score != 0) {
        problems.add("levels", "no level has minScore 0", "add one, so that every score has a level");
    }
    for (index, level) in rules.levels.iter().enumerate() {
        let same = |other: &LevelOf| other.name == level.name || other.min_score == level.min_score;
        if rules.levels[..index].iter().any(same) {
            let message = "another level has its name or its minScore";
            problems.add(format!("levels[{index}]"), message, "give each level both of its own");
        }
    }
    let mut from = |field: &str, name: &Option<String>| {
        let name = name.as_ref()?;
        let level = rules.levels.iter().find(|level| level.name == *name);
        if level.is_none() {
            let names: Vec<String> = rules.levels.iter().map(|level| format!("`{}`", level.name)).collect();
            problems.add(
                field,
                format!("there is no level `{name}`"),
                format!("the levels are {}", names.join(", ")),
            );
        }
        level.map(|level| points(level.min_score))
    };
    let review_from = from("reviewAt", &rules.review_at);
    let alert_from = from("alerts.alertAt", &rules.alert_at);
    Levels { list, review_from, alert_from }
}
