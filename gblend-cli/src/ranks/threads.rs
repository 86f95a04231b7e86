//! Ranks that are threads of one process: what is said is the same as over MPI, without it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Link, Ranks};
use crate::error::{Error, Result};

/// One end of the channels between threads.
#[derive(Debug)]
struct ThreadLink {
    rank: usize,
    to: Vec<Sender<Vec<u8>>>,
    from: Vec<Mutex<Receiver<Vec<u8>>>>,
}

/// So many ranks, one for each thread that is going to take part. A rank that is dropped is gone for all others.
pub fn between_threads(size: usize) -> Vec<Ranks> {
    let mut to: Vec<Vec<Sender<Vec<u8>>>> = (0..size).map(|_| Vec::new()).collect();
    let mut from: Vec<Vec<Mutex<Receiver<Vec<u8>>>>> = (0..size).map(|_| Vec::new()).collect();
    for sender in &mut to {
        for receiver in &mut from {
            let (end, other) = channel();
            sender.push(end);
            receiver.push(Mutex::new(other));
        }
    }
    let links = to.into_iter().zip(from).enumerate();
    links
        .map(|(rank, (to, from))| Ranks::over(Arc::new(ThreadLink { rank, to, from })))
        .collect()
}

impl ThreadLink {
    fn gone(&self, rank: usize) -> Error {
        Error::Rank {
            rank: self.name(rank),
            problem: "it has ended".into(),
            code: 1,
        }
    }
}

impl Link for ThreadLink {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn on_machine(&self) -> (usize, usize) {
        (self.size(), self.rank)
    }

    fn send(&self, to: usize, message: Vec<u8>) -> Result<()> {
        let sender = self.to.get(to).ok_or_else(|| self.gone(to))?;
        sender.send(message).map_err(|_| self.gone(to))
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>> {
        let receiver = self.from.get(from).ok_or_else(|| self.gone(from))?;
        let receiver = receiver.lock().unwrap_or_else(PoisonError::into_inner);
        receiver.recv().map_err(|_| self.gone(from))
    }
}
