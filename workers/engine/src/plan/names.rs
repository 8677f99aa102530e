//! Names of columns.

use super::problem::Problems;

/// Characters that a column name of a Delta table cannot have.
const FORBIDDEN: &[char] = &[' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='];

/// Tells what is wrong with the name of a column, given those of the columns before it.
pub(crate) fn check_column<'a>(
    name: &str,
    earlier: impl IntoIterator<Item = &'a str>,
    field: &str,
    problems: &mut Problems,
) {
    if name.is_empty() {
        problems.add(field, "it is empty", "name the column");
    } else if let Some(character) = name.chars().find(|character| FORBIDDEN.contains(character)) {
        let message = format!("`{name}` contains {character:?}, which a Delta table cannot have in a name");
        problems.add(field, message, "use letters, digits and underscores");
    } else if let Some(other) = earlier.into_iter().find(|other| other.eq_ignore_ascii_case(name)) {
        let message = format!("`{name}` and an earlier column `{other}` have the same name (case aside)");
        problems.add(field, message, "rename or remove one of them");
    }
}
