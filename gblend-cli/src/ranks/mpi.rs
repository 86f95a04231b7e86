//! Ranks that are the processes of an MPI job.
//!
//! One thread of each process makes all calls of MPI, so any library will do, whatever it promises of threads. The thread passes
//! messages on, tells the others every second that this process is there, and notices when one of them is not: messages are never
//! waited for in the library, where nobody could tell that one does not come.

mod post;

use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Link, Ranks};
use crate::error::{Error, Result};
use post::{Ending, Letter, Mailbox, Order, run};

/// This process as a part of the job.
#[derive(Debug)]
pub struct Job {
    link: Arc<MpiLink>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
struct MpiLink {
    rank: usize,
    size: usize,
    hosts: Vec<String>,
    orders: Mutex<Sender<Order>>,
    mailbox: Arc<Mailbox>,
}

impl Job {
    /// Takes part in the job that this process was started in; of one that nobody started with `mpirun` there is one rank. A rank that
    /// is not heard of for so long ends it.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no MPI to take part in.
    pub fn start(limit: Duration) -> Result<Self> {
        let mailbox = Arc::new(Mailbox::default());
        let (orders, inbox) = std::sync::mpsc::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let of_thread = Arc::clone(&mailbox);
        let thread = std::thread::Builder::new()
            .name("mpi".into())
            .spawn(move || run(&of_thread, &inbox, limit, &tell))
            .map_err(|error| gblend_core::Error::NoRoom(format!("the thread of MPI ({error})")))?;
        let found = told.recv().map_err(|_| {
            Error::Usage(
                "--distributed: MPI does not start; `mpirun -n 1 gblend --version` tells whether it is there"
                    .into(),
            )
        })?;
        Ok(Self {
            link: Arc::new(MpiLink {
                rank: found.rank,
                size: found.hosts.len(),
                hosts: found.hosts,
                orders: Mutex::new(orders),
                mailbox,
            }),
            thread,
        })
    }

    /// Its ranks.
    pub fn ranks(&self) -> Ranks {
        Ranks::over(Arc::clone(&self.link) as Arc<dyn Link>)
    }

    /// Ends this process's part of the job with what came of it: the others are told of an error, and one of them tells the user.
    ///
    /// # Errors
    /// [`Error::ToldElsewhere`] with the error's exit code.
    pub fn end(self, done: Result<()>) -> Result<()> {
        let ending = match &done {
            Ok(()) => Ending::Done,
            Err(error) => Ending::Failed {
                code: error.exit_code(),
                problem: error.to_string(),
            },
        };
        self.link.order(Order::End(ending));
        // It has told the others by then, or ended the process.
        let _ = self.thread.join();
        done.map_err(|error| Error::ToldElsewhere {
            code: error.exit_code(),
        })
    }
}

impl MpiLink {
    fn order(&self, order: Order) {
        // A thread that is gone has left word of why in the mailbox.
        let _ = self
            .orders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .send(order);
    }
}

impl Link for MpiLink {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn name(&self, rank: usize) -> String {
        match self.hosts.get(rank) {
            Some(host) => format!("rank {rank} on {host}"),
            None => format!("rank {rank}"),
        }
    }

    fn on_machine(&self) -> (usize, usize) {
        let own = self.hosts.get(self.rank);
        let here = |hosts: &[String]| hosts.iter().filter(|host| Some(*host) == own).count();
        (here(&self.hosts), here(&self.hosts[..self.rank]))
    }

    fn send(&self, to: usize, message: Vec<u8>) -> Result<()> {
        if let Some(failure) = self.mailbox.failure() {
            return Err(failure);
        }
        self.order(Order::Send(Letter { to, message }));
        Ok(())
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>> {
        self.mailbox.waiting.fetch_add(1, Ordering::SeqCst);
        let received = self.mailbox.take(from);
        self.mailbox.waiting.fetch_sub(1, Ordering::SeqCst);
        received
    }
}
