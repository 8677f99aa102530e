//! One table of a gold plan.

use arrow::datatypes::{DataType, FieldRef};
use sluice_contract::config;

use super::{Aggregate, DistinctCount, GoldPlan, GoldTable, MergedColumn};
use crate::deduplication::can_identify;
use crate::expression::{
    Call, Compiler, Computation, Expression, Measure, MeasureScope, Problem, Scope, storable,
};
use crate::gold::windows::Windows;
use crate::plan::{Problems, names};
use crate::tables::{self, nullable};

/// Columns that every gold table has, besides its keys and measures.
const ADDED: [&str; 6] = [
    tables::WINDOW_START,
    tables::WINDOW_END,
    tables::WINDOW_DATE,
    tables::REVISION,
    tables::IS_FINAL,
    tables::UPDATED_AT,
];
/// A row belongs to at most this many windows of a table.
const MOST_WINDOWS: u64 = 1_000;

/// Compiles a table. `None` if something of it cannot be; the problems then say so.
pub(super) fn compile(
    table: &config::GoldTable,
    path: &str,
    silver: &Scope,
    compiler: &Compiler,
    plan: &mut GoldPlan,
    problems: &mut Problems,
) -> Option<GoldTable> {
    let windows = windows(table, path, problems);
    let keys = keys(&table.group_by, path, silver, problems);
    let measures = Measures::compile(table, path, silver, &keys, compiler, problems)?;
    let (windows, keys) = (windows?, keys.complete()?);
    let mut gold = GoldTable {
        table: tables::gold(&table.name, keys.iter().cloned().chain(measures.fields)),
        windows,
        keys: Vec::new(),
        aggregates: Vec::new(),
        distinct_counts: Vec::new(),
        columns: Vec::new(),
        measures: measures.slots,
    };
    for key in &keys {
        let name = format!("\"{}\"", key.name().replace('"', "\"\""));
        let expression = compiler.compile(&name, silver).expect("the key is a column of silver");
        gold.keys.push(plan.numbered(expression, false));
    }
    for column in measures.columns {
        let column = match column {
            Planned::Call(call) => add_call(call, &mut gold, plan),
            Planned::Measure(expression) => MergedColumn::Measure(expression),
        };
        gold.columns.push(column);
    }
    Some(gold)
}

/// Refuses a name that is no folder's, or that an earlier table has.
pub(super) fn check_table_name(
    earlier: &[config::GoldTable],
    name: &str,
    path: &str,
    problems: &mut Problems,
) {
    let field = format!("{path}.name");
    let is_legal = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    if name.is_empty() {
        problems.add(field, "it is empty", "name the table");
    } else if let Some(character) = name.chars().find(|&character| !is_legal(character)) {
        let message = format!("`{name}` contains {character:?}, which the folder of a table cannot have");
        problems.add(field, message, "use letters, digits, underscores and hyphens");
    } else if let Some(other) = earlier.iter().find(|other| other.name.eq_ignore_ascii_case(name)) {
        let message =
            format!("`{name}` and an earlier table `{}` have the same name (case aside)", other.name);
        problems.add(field, message, "rename or remove one of them");
    }
}

/// Windows are cut from panes of the length of the slide, so it must divide the size.
fn windows(table: &config::GoldTable, path: &str, problems: &mut Problems) -> Option<Windows> {
    let (size_ms, slide_ms) = (table.size_ms, table.slide_ms);
    let slide = format!("{path}.window.slide");
    const FIX: &str = "choose a slide that divides the size, such as 5m for 15m";
    if size_ms == 0 {
        problems.add(format!("{path}.window.size"), "it is zero", "choose a length, such as 10m");
    } else if slide_ms == 0 {
        problems.add(slide, "it is zero", FIX);
    } else if slide_ms > size_ms {
        let message = format!(
            "{slide_ms} ms is longer than the window, {size_ms} ms: rows between windows would be lost"
        );
        problems.add(slide, message, FIX);
    } else if !size_ms.is_multiple_of(slide_ms) {
        problems.add(slide, format!("{slide_ms} ms does not divide the window, {size_ms} ms"), FIX);
    } else if size_ms / slide_ms > MOST_WINDOWS {
        let message =
            format!("a row would belong to {} windows, more than {MOST_WINDOWS}", size_ms / slide_ms);
        problems.add(slide, message, "choose a longer slide or a shorter window");
    } else {
        return Some(Windows::new(size_ms, slide_ms, table.allowed_lateness_ms));
    }
    None
}

/// The group keys as far as silver has them.
struct Keys {
    fields: Vec<FieldRef>,
    named: usize,
}

impl Keys {
    fn complete(self) -> Option<Vec<FieldRef>> {
        (self.fields.len() == self.named).then_some(self.fields)
    }
}

fn keys(group_by: &[String], path: &str, silver: &Scope, problems: &mut Problems) -> Keys {
    let mut fields: Vec<FieldRef> = Vec::new();
    for (index, name) in group_by.iter().enumerate() {
        let field = format!("{path}.groupBy[{index}]");
        let Some(slot) = silver.slot(name) else {
            problems.add(field, format!("silver has no column `{name}`"), silver.suggest(name));
            continue;
        };
        let data_type = silver.data_type(slot);
        if !can_identify(data_type) {
            let message = format!("`{name}` is of type {data_type}, by which rows are not grouped");
            problems.add(field, message, "name columns of text, bytes, numbers, dates or timestamps");
        } else if group_by[..index].contains(name) {
            problems.add(field, format!("`{name}` is listed twice"), "list it once");
        } else if ADDED.iter().any(|added| added.eq_ignore_ascii_case(name)) {
            let message = format!("`{name}` is a column that every gold table has");
            problems.add(field, message, "give the column of silver another name");
        } else {
            fields.push(nullable(name, data_type.clone()));
        }
    }
    Keys { fields, named: group_by.len() }
}

/// What a column of a merged row is planned to be.
enum Planned {
    Call(Call),
    Measure(Expression),
}

/// The measures of a table.
struct Measures {
    fields: Vec<FieldRef>,
    slots: Vec<usize>,
    /// The columns of a merged row behind the keys, in the order of their slots.
    columns: Vec<Planned>,
}

impl Measures {
    fn compile(
        table: &config::GoldTable,
        path: &str,
        silver: &Scope,
        keys: &Keys,
        compiler: &Compiler,
        problems: &mut Problems,
    ) -> Option<Self> {
        if table.measures.is_empty() {
            let fix = "list the measures, such as {name: rows, expr: \"count(*)\"}";
            problems.add(format!("{path}.measures"), "there are no measures", fix);
            return None;
        }
        let mut scope = MeasureScope::new(silver, &keys.fields);
        let mut compiled = Vec::new();
        for (index, measure) in table.measures.iter().enumerate() {
            let path = format!("{path}.measures[{index}]");
            let earlier =
                table.group_by.iter().chain(table.measures[..index].iter().map(|measure| &measure.name));
            let earlier = ADDED.into_iter().chain(earlier.map(String::as_str));
            names::check_column(&measure.name, earlier, &format!("{path}.name"), problems);
            match one(measure, compiler, &mut scope) {
                Ok(Some(expression)) => {
                    let slot = scope.push_measure(&measure.name, expression.data_type().clone());
                    compiled.push((slot, measure.name.as_str(), expression));
                }
                outcome => {
                    scope.push_broken(&measure.name);
                    if let Err(problem) = outcome {
                        problems.add_of(format!("{path}.expr"), problem);
                    }
                }
            }
        }
        let is_whole = compiled.len() == table.measures.len();
        is_whole.then(|| Self::of(&scope, compiled))
    }

    fn of(scope: &MeasureScope<'_>, compiled: Vec<(usize, &str, Expression)>) -> Self {
        let fields = compiled.iter();
        let fields = fields.map(|(_, name, expression)| nullable(name, expression.data_type().clone()));
        let fields = fields.collect();
        let slots = compiled.iter().map(|(slot, ..)| *slot).collect();
        let calls = scope.calls().map(|(call, slot)| (slot, Planned::Call(call.clone())));
        let measures = compiled.into_iter().map(|(slot, _, expression)| (slot, Planned::Measure(expression)));
        let mut columns: Vec<(usize, Planned)> = calls.chain(measures).collect();
        columns.sort_by_key(|(slot, _)| *slot);
        Self { fields, slots, columns: columns.into_iter().map(|(_, column)| column).collect() }
    }
}

/// Compiles one measure; `None` if it needs one that is broken itself, which was told.
fn one(
    measure: &config::Column,
    compiler: &Compiler,
    scope: &mut MeasureScope<'_>,
) -> Result<Option<Expression>, Problem> {
    let Some(sql) = &measure.expr else {
        return Err(Problem::new("it is missing", "write an aggregate, such as count(*)"));
    };
    let Measure::Expression(expression) = compiler.measure(sql, scope)? else { return Ok(None) };
    let stored = storable(expression.data_type())?;
    Ok(Some(expression.converted_to(stored)))
}

fn add_call(call: Call, table: &mut GoldTable, plan: &mut GoldPlan) -> MergedColumn {
    let state_types = call.state_types();
    let filter = call.filter.map(|filter| plan.input(filter));
    match call.computation {
        Computation::States(function) => {
            let arguments = call.arguments.into_iter().map(|argument| plan.input(argument)).collect();
            let data_type: DataType = call.data_type;
            table.aggregates.push(Aggregate { function, arguments, filter, state_types, data_type });
            MergedColumn::Aggregate(table.aggregates.len() - 1)
        }
        Computation::Distinct => {
            let argument = call.arguments.into_iter().next().expect("a distinct count has one argument");
            let values = plan.numbered(argument, true);
            table.distinct_counts.push(DistinctCount { values, filter });
            MergedColumn::DistinctCount(table.distinct_counts.len() - 1)
        }
    }
}
