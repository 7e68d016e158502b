//! Putting the whole state back from a snapshot: its rows come by and by, the state is replaced at once.

use super::Writer;
use crate::snapshot::Staged;
use lictor_types::{Outcome, RestoreStep};
use std::sync::Arc;

impl Writer {
    pub(super) fn restore(&mut self, id: &str, step: &RestoreStep) -> Outcome {
        if *step == RestoreStep::Begin {
            self.state.staged = Some(Arc::new(Staged::begin(id, 0, &self.state)));
            return Outcome::Done;
        }
        let Some(mut staged) = self.state.staged.take_if(|staged| &*staged.id == id) else {
            return match step {
                RestoreStep::Abort => Outcome::Done,
                _ => Outcome::Refused("this restore was given up, or another one was begun".to_owned()),
            };
        };
        // Whatever is refused from here on ends the restore: what was gathered is dropped.
        match step {
            RestoreStep::Begin | RestoreStep::Abort => Outcome::Done,
            RestoreStep::Rows { before, .. } | RestoreStep::Packed { before, .. } if *before != staged.rows => {
                Outcome::Refused(format!("{before} rows should have come before, {} did", staged.rows))
            }
            RestoreStep::Rows { .. } | RestoreStep::Packed { .. } => {
                let taken = match step {
                    RestoreStep::Packed { size_bytes, rows, .. } => Arc::make_mut(&mut staged).take_packed(rows, *size_bytes),
                    RestoreStep::Rows { rows, .. } => Arc::make_mut(&mut staged).take_all(rows),
                    _ => Ok(()),
                };
                match taken {
                    Ok(()) => {
                        self.state.staged = Some(staged);
                        Outcome::Done
                    }
                    Err(error) => Outcome::Refused(error.to_string()),
                }
            }
            RestoreStep::Finish { rows } if *rows != staged.rows => {
                Outcome::Refused(format!("there should be {rows} rows, there are {}", staged.rows))
            }
            RestoreStep::Finish { .. } => match Arc::unwrap_or_clone(staged).into_state(&self.state, self.index) {
                Some(state) => {
                    self.index = state.index;
                    self.state = state;
                    self.changes.touch_everything();
                    Outcome::Done
                }
                None => Outcome::Refused("the snapshot has no header".to_owned()),
            },
        }
    }
}
