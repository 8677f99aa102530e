//! Writes progress: on a terminal one block that is drawn again in place, elsewhere lines every two seconds.

use std::io;
use std::time::{Duration, Instant};

use console::{Style, Term};

use crate::progress::block::{self, Tone};
use crate::progress::line;
use crate::progress::view::JobView;

/// How often plain lines come.
const LINES_EVERY: Duration = Duration::from_secs(2);

/// Writes to standard output.
#[derive(Debug)]
pub(crate) struct Printer {
    terminal: Term,
    is_terminal: bool,
    /// Lines of the block that is on the screen.
    drawn: usize,
    last_lines: Option<Instant>,
}

impl Printer {
    pub(crate) fn new() -> Self {
        let terminal = Term::stdout();
        let is_terminal = terminal.features().is_attended();
        Self { terminal, is_terminal, drawn: 0, last_lines: None }
    }

    /// Shows how pipelines and scorers stand.
    pub(crate) fn progress(&mut self, views: &[JobView]) -> io::Result<()> {
        if self.is_terminal {
            return self.draw(views);
        }
        if self.last_lines.is_none_or(|at| at.elapsed() >= LINES_EVERY) {
            self.last_lines = Some(Instant::now());
            self.lines(views)?;
        }
        Ok(())
    }

    /// Shows how they stood at last, to stay.
    pub(crate) fn summary(&mut self, views: &[JobView]) -> io::Result<()> {
        if self.is_terminal {
            self.draw(views)?;
            self.drawn = 0;
            return Ok(());
        }
        self.lines(views)
    }

    /// A line that stays, above the block.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        self.erase()?;
        self.terminal.write_line(text)
    }

    fn lines(&mut self, views: &[JobView]) -> io::Result<()> {
        views.iter().try_for_each(|view| self.terminal.write_line(&line::render(view)))
    }

    fn draw(&mut self, views: &[JobView]) -> io::Result<()> {
        let (height, width) = self.terminal.size();
        let mut lines = Vec::new();
        for view in views {
            lines.push(String::new());
            for line in block::render(view, usize::from(width)) {
                lines.push(style(line.tone).apply_to(line.text).to_string());
            }
        }
        // What has scrolled off the screen cannot be erased any more.
        lines.truncate(usize::from(height).saturating_sub(2));
        self.erase()?;
        self.drawn = lines.len();
        lines.push(String::new());
        self.terminal.write_str(&lines.join("\n"))
    }

    fn erase(&mut self) -> io::Result<()> {
        let drawn = std::mem::take(&mut self.drawn);
        if drawn > 0 { self.terminal.clear_last_lines(drawn) } else { Ok(()) }
    }
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Heading => Style::new().bold(),
        Tone::Plain => Style::new(),
        Tone::Problem => Style::new().yellow(),
    }
}
