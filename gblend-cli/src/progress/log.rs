//! The file in which a run keeps what it said.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use chrono::Local;

use crate::error::{Error, Result};

/// Lines that are kept before there is a file: more than anything says before it trains.
const MOST_WAITING: usize = 4096;

/// What was said, each with date and time: in a file once there is one.
#[derive(Debug)]
pub(super) struct Log(Mutex<State>);

#[derive(Debug)]
enum State {
    Waiting(Vec<String>),
    File(File),
}

impl Default for Log {
    fn default() -> Self {
        Self(Mutex::new(State::Waiting(Vec::new())))
    }
}

impl Log {
    /// Keeps a text. What cannot be written is lost: a full disk must not end a training for its diary.
    pub(super) fn take(&self, text: &str) {
        let line = format!("{} {text}\n", Local::now().format("%Y-%m-%d %H:%M:%S"));
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Waiting(lines) if lines.len() < MOST_WAITING => lines.push(line),
            State::Waiting(_) => {}
            State::File(file) => drop(file.write_all(line.as_bytes())),
        }
    }

    /// From now on what is said is added to this file, what was said before first.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(super) fn open(&self, path: &Path) -> Result<()> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let mut file = file.map_err(Error::write(path))?;
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Waiting(lines) = &*state {
            file.write_all(lines.concat().as_bytes())
                .map_err(Error::write(path))?;
        }
        *state = State::File(file);
        Ok(())
    }
}
