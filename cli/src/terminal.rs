//! What is said outside of the progress display.

use std::fmt::Display;

use console::Style;

/// An error, on standard error.
pub(crate) fn print_error(error: &dyn Display) {
    eprintln!("{} {error}", Style::new().for_stderr().red().bold().apply_to("sluice:"));
}

/// Something that is as it should be but that a user may not expect, on standard error.
pub(crate) fn print_remark(remark: &str) {
    eprintln!("{} {remark}", Style::new().for_stderr().cyan().apply_to("note:"));
}
