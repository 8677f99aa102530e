//! [`Answers`]: what the tasks of a pass have answered, which has to be all of it. Pure.

use serde::{Deserialize, Serialize};

use super::super::gathered::Gathered;

/// Files, or ranges of rows that go, in one part of an answer: some megabytes.
const PORTION: usize = 10_000;

/// A part of what a task answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    task: usize,
    /// How many parts it answers in all.
    parts: usize,
    gathered: Gathered,
}

impl Answer {
    /// All that a task answers.
    pub(super) fn of(task: usize, gathered: Gathered) -> Vec<Self> {
        let portions = gathered.portions(PORTION);
        let parts = portions.len();
        portions.into_iter().map(|gathered| Self { task, parts, gathered }).collect()
    }
}

/// What has been answered.
#[derive(Debug)]
pub(super) struct Answers {
    gathered: Gathered,
    /// Of each task how many parts have come, and how many there are; none before the first.
    come: Vec<(usize, usize)>,
}

impl Answers {
    /// Nothing yet, of so many tasks.
    pub(super) fn of_tasks(tasks: usize) -> Self {
        Self { gathered: Gathered::default(), come: vec![(0, 0); tasks] }
    }

    /// Takes a part in.
    pub(super) fn take(&mut self, answer: Answer) {
        if let Some((come, parts)) = self.come.get_mut(answer.task) {
            (*come, *parts) = (*come + 1, answer.parts);
            self.gathered.add(answer.gathered);
        }
    }

    /// Everything; or the first task that has not said all, once: the end of a stream does not tell that its task has
    /// come to an end, or to a panic.
    pub(super) fn whole(self) -> Result<Gathered, usize> {
        let unanswered = self.come.iter().position(|(come, parts)| *come == 0 || come != parts);
        unanswered.map_or(Ok(self.gathered), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(task: usize, rows: u64) -> Answer {
        let mut parts = Answer::of(task, Gathered { rows, ..Gathered::default() });
        assert_eq!(parts.len(), 1);
        parts.remove(0)
    }

    #[test]
    fn what_all_tasks_have_answered_is_put_together() {
        let mut answers = Answers::of_tasks(2);
        answers.take(answer(1, 3));
        answers.take(answer(0, 4));
        assert_eq!(answers.whole().map(|gathered| gathered.rows), Ok(7));
    }

    #[test]
    fn a_task_that_has_not_said_all_of_it_once_is_named() {
        let mut silent = Answers::of_tasks(2);
        silent.take(answer(0, 4));
        assert_eq!(silent.whole(), Err(1));
        let mut cut = Answers::of_tasks(1);
        cut.take(Answer { parts: 2, ..answer(0, 4) });
        assert_eq!(cut.whole(), Err(0));
        let mut twice = Answers::of_tasks(1);
        twice.take(answer(0, 4));
        twice.take(answer(0, 4));
        assert_eq!(twice.whole(), Err(0));
    }
}
