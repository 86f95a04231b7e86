//! The thread that passes messages on.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Destination, MatchedReceiveVec, Source};

use crate::error::Error;

/// How often a rank says that it is there.
const BEAT: Duration = Duration::from_secs(1);

/// How long rank 0 may take to end once it knows that the job cannot go on. The others wait longer, each in its turn, so that one
/// of them says why.
const GRACE: Duration = Duration::from_secs(3);

/// The longest that they wait.
const LONGEST_GRACE: Duration = Duration::from_secs(20);

/// How long the thread sleeps where nothing is to be done and nobody waits.
const REST: Duration = Duration::from_micros(200);

/// How long the thread looks for a message that somebody waits for without going to sleep.
const SPIN: Duration = Duration::from_micros(200);

/// How long it sleeps then.
const NAP: Duration = Duration::from_micros(20);

/// How long nothing has happened where somebody computes for seconds, or waits for one who does, who would not have a thread beside it that
/// is awake thousands of times a second. A network's latency is shorter.
const LONG: Duration = Duration::from_millis(100);

/// How long the thread sleeps then.
const LONG_REST: Duration = Duration::from_millis(2);

/// Bytes of a piece of a message. Over TCP, Open MPI sends up to 64 KiB, headers among them, at once; before more it asks the receiver and
/// waits for the answer, and where both sides send, what is asked and answered stands in line behind what the other sends: twice the time
/// for the bytes, and four times the latency.
const PIECE: usize = 60_000;

/// Pieces that are on their way at a time: few enough that all of them arrive in less than the time in which a rank has to be heard of.
const PIECES: usize = 256;

/// A message to another rank.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) to: usize,
    pub(super) message: Vec<u8>,
}

/// What the thread is asked for.
#[derive(Debug)]
pub(super) enum Order {
    Send(Letter),
    End(Ending),
}

/// How the work of this process has ended.
#[derive(Debug)]
pub(super) enum Ending {
    Done,
    Failed { code: u8, problem: String },
}

/// What the thread has found once it has begun.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) rank: usize,
    /// The machine of each rank.
    pub(super) hosts: Vec<String>,
}

/// What kind of message it is, as MPI's tag.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
enum Tag {
    /// A message, or the last piece of one.
    Last = 1,
    /// A piece of a message that goes on.
    Piece,
    /// The sender is there.
    Beat,
    /// The sender cannot go on, and why.
    Failed,
    /// The sender has ended.
    Ended,
    /// The sender connects.
    Greeting,
}

/// Messages that have arrived, and why there will be no more.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    changed: Condvar,
    /// Threads that wait for a message.
    pub(super) waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    /// By sender.
    arrived: Vec<VecDeque<Vec<u8>>>,
    failure: Option<Failure>,
}

/// Why a job cannot go on.
#[derive(Clone, Debug)]
struct Failure {
    rank: String,
    problem: String,
    code: u8,
}

impl Failure {
    fn error(&self) -> Error {
        Error::Rank {
            rank: self.rank.clone(),
            problem: self.problem.clone(),
            code: self.code,
        }
    }
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is made in one go.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why there will be no more messages.
    pub(super) fn failure(&self) -> Option<Error> {
        self.lock().failure.as_ref().map(Failure::error)
    }

    /// Waits for the next message of a rank.
    pub(super) fn take(&self, from: usize) -> Result<Vec<u8>, Error> {
        let mut state = self.lock();
        loop {
            if let Some(message) = state.arrived.get_mut(from).and_then(VecDeque::pop_front) {
                return Ok(message);
            }
            if let Some(failure) = &state.failure {
                return Err(failure.error());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, from: usize, message: Vec<u8>) {
        let mut state = self.lock();
        if let Some(queue) = state.arrived.get_mut(from) {
            queue.push_back(message);
        }
        self.changed.notify_all();
    }

    fn fail(&self, failure: Failure) {
        let mut state = self.lock();
        state.failure.get_or_insert(failure);
        self.changed.notify_all();
    }
}

/// Passes messages on until the process and all others have ended their work.
pub(super) fn run(mailbox: &Mailbox, orders: &Receiver<Order>, limit: Duration, found: &Sender<Found>) {
    // The thread that begins with MPI is the one that makes all calls.
    let Some((universe, _)) = mpi::initialize_with_threading(mpi::Threading::Funneled) else {
        return;
    };
    let world = universe.world();
    meet(&world);
    let hosts = hosts(&world);
    let size = hosts.len();
    let rank = usize::try_from(world.rank()).unwrap_or(0);
    mailbox.lock().arrived = (0..size).map(|_| VecDeque::new()).collect();
    let mut post = Post {
        world: &world,
        mailbox,
        limit,
        rank,
        hosts: hosts.clone(),
        heard: vec![Instant::now(); size],
        ended: vec![false; size],
        pieces: vec![Vec::new(); size],
        last_beat: Instant::now(),
        busy: Instant::now(),
        last: Instant::now(),
        looked: Instant::now(),
        failed_at: None,
        told: false,
    };
    if found.send(Found { rank, hosts }).is_err() {
        return;
    }
    post.work(orders);
    // Here MPI ends, together with all others.
}

/// Connects every two ranks, the lower one calling the higher.
///
/// Over TCP, Open MPI connects two processes when one first has something for the other. Where both call at the same time one of the
/// two connections is dropped, and with it the note that there is a connection to look at: from then on that process looks at
/// its sockets every 10 ms, which made a step over 100 Mbit/s take 251 ms in place of 158, in some runs.
fn meet(world: &SimpleCommunicator) {
    let (rank, size) = (world.rank(), world.size());
    mpi::request::scope(|scope| {
        let greetings: Vec<_> = (rank + 1..size)
            .map(|higher| {
                let process = world.process_at_rank(higher);
                process.immediate_send_with_tag(scope, &[0_u8; 0][..], Tag::Greeting as i32)
            })
            .collect();
        for lower in 0..rank {
            let process = world.process_at_rank(lower);
            let (_, _) = process.receive_vec_with_tag::<u8>(Tag::Greeting as i32);
        }
        for greeting in greetings {
            greeting.wait();
        }
    });
}

/// The names of the machines of all ranks.
fn hosts(world: &SimpleCommunicator) -> Vec<String> {
    /// Longer names are cut.
    const LENGTH: usize = 64;
    let name = mpi::environment::processor_name().unwrap_or_default();
    let mut own = [0_u8; LENGTH];
    for (to, byte) in own.iter_mut().zip(name.bytes()) {
        *to = byte;
    }
    let size = usize::try_from(world.size()).unwrap_or(1);
    let mut all = vec![0_u8; LENGTH * size];
    world.all_gather_into(&own[..], &mut all[..]);
    let names = all.chunks_exact(LENGTH).map(|name| {
        let name: Vec<u8> = name.iter().copied().take_while(|&byte| byte != 0).collect();
        String::from_utf8_lossy(&name).into_owned()
    });
    names.collect()
}

/// A message as MPI takes it.
type Outgoing = (usize, Tag, Vec<u8>);

struct Post<'a> {
    world: &'a SimpleCommunicator,
    mailbox: &'a Mailbox,
    limit: Duration,
    rank: usize,
    hosts: Vec<String>,
    /// When each rank was last heard of.
    heard: Vec<Instant>,
    ended: Vec<bool>,
    /// The pieces of a message that have arrived.
    pieces: Vec<Vec<u8>>,
    last_beat: Instant,
    /// When there was last something to do, or nobody waited.
    busy: Instant,
    /// When this process last sent or was sent something.
    last: Instant,
    /// When this rank last looked who is silent.
    looked: Instant,
    /// When it turned out that the job cannot go on.
    failed_at: Option<Instant>,
    /// Whether the others were told.
    told: bool,
}

impl Post<'_> {
    fn name(&self, rank: usize) -> String {
        let host = self.hosts.get(rank).map_or("", String::as_str);
        format!("rank {rank} on {host}")
    }

    /// Whom this rank hears from and speaks to: the first one with all, all with the first.
    fn watched(&self) -> Vec<usize> {
        match self.rank {
            0 => (1..self.hosts.len()).collect(),
            _ => vec![0],
        }
    }

    fn work(&mut self, orders: &Receiver<Order>) {
        let ending = loop {
            let mut outgoing = Vec::new();
            let mut ending = None;
            // Where somebody waits, nothing else is to be done than to look for what arrives.
            let waited = self.mailbox.waiting.load(Ordering::SeqCst) > 0;
            let first = match waited {
                true => orders.try_recv().ok(),
                false => match orders.recv_timeout(rest(self.last.elapsed(), REST)) {
                    Ok(order) => Some(order),
                    Err(RecvTimeoutError::Timeout) => None,
                    // Nobody has ended the job, and nobody is there to.
                    Err(RecvTimeoutError::Disconnected) => Some(Order::End(Ending::Done)),
                },
            };
            for order in first
                .into_iter()
                .chain(std::iter::from_fn(|| orders.try_recv().ok()))
            {
                match order {
                    Order::Send(letter) => outgoing.extend(pieces(letter)),
                    Order::End(how) => ending = Some(how),
                }
            }
            if !outgoing.is_empty() {
                self.busy = Instant::now();
                self.last = self.busy;
            }
            self.pass(outgoing);
            if let Some(ending) = ending {
                break ending;
            }
            if waited {
                self.linger();
            } else {
                self.busy = Instant::now();
            }
        };
        self.end(ending);
    }

    /// Sends what there is to send, and takes what has arrived meanwhile.
    fn pass(&mut self, mut outgoing: Vec<Outgoing>) {
        loop {
            let rest = outgoing.split_off(outgoing.len().min(PIECES));
            self.pass_some(outgoing);
            if rest.is_empty() {
                return;
            }
            outgoing = rest;
        }
    }

    fn pass_some(&mut self, mut outgoing: Vec<Outgoing>) {
        if self.last_beat.elapsed() >= BEAT {
            self.last_beat = Instant::now();
            let watched = self.watched().into_iter().filter(|&rank| !self.ended[rank]);
            outgoing.extend(watched.map(|rank| (rank, Tag::Beat, Vec::new())));
        }
        let world = self.world;
        mpi::request::scope(|scope| {
            let mut requests: Vec<_> = outgoing
                .iter()
                .map(|(to, tag, bytes)| {
                    let process = world.process_at_rank(i32::try_from(*to).unwrap_or(0));
                    process.immediate_send_with_tag(scope, &bytes[..], *tag as i32)
                })
                .collect();
            loop {
                requests = requests
                    .into_iter()
                    .filter_map(|request| request.test().err())
                    .collect();
                let took = self.take_all();
                self.look_around();
                if requests.is_empty() {
                    break;
                }
                if !took {
                    self.linger();
                }
            }
        });
    }

    /// Lets others compute: for a moment without going to sleep, so that what comes at once is taken at once; then with, since a
    /// thread that sleeps is woken before one that only steps back where there are more threads than cores.
    fn linger(&self) {
        match self.busy.elapsed() < SPIN {
            true => std::thread::yield_now(),
            false => std::thread::sleep(rest(self.busy.elapsed(), NAP)),
        }
    }

    /// Takes every message that is there.
    fn take_all(&mut self) -> bool {
        let mut took = false;
        while let Some(arrived) = self.world.any_process().immediate_matched_probe() {
            let (bytes, status) = arrived.matched_receive_vec::<u8>();
            took = true;
            self.busy = Instant::now();
            let Ok(from) = usize::try_from(status.source_rank()) else {
                continue;
            };
            if from >= self.hosts.len() {
                continue;
            }
            self.heard[from] = Instant::now();
            let tag = status.tag();
            if tag != Tag::Beat as i32 {
                self.last = self.busy;
            }
            if tag == Tag::Piece as i32 {
                self.pieces[from].extend(bytes);
            } else if tag == Tag::Last as i32 {
                let mut message = std::mem::take(&mut self.pieces[from]);
                match message.is_empty() {
                    true => message = bytes,
                    false => message.extend(bytes),
                }
                self.mailbox.put(from, message);
            } else if tag == Tag::Failed as i32 {
                self.ended[from] = true;
                let (code, problem) = bytes.split_first().unwrap_or((&1, &[]));
                self.fail(Failure {
                    rank: self.name(from),
                    problem: String::from_utf8_lossy(problem).into_owned(),
                    code: *code,
                });
            } else if tag == Tag::Ended as i32 {
                self.ended[from] = true;
            }
        }
        took
    }

    fn fail(&mut self, failure: Failure) {
        self.failed_at.get_or_insert_with(Instant::now);
        self.mailbox.fail(failure);
    }

    /// Notices who is not heard of any more, and ends the process if its work does not.
    fn look_around(&mut self) {
        // Who was stopped for so long knows nothing of the others, who may have spoken meanwhile.
        if self.looked.elapsed() > self.limit / 2 {
            self.heard.fill(Instant::now());
        }
        self.looked = Instant::now();
        let silent = self
            .watched()
            .into_iter()
            .find(|&rank| !self.ended[rank] && self.heard[rank].elapsed() > self.limit);
        if let Some(rank) = silent
            && self.failed_at.is_none()
        {
            let problem = format!(
                "it was not heard of for {} s (--rank-timeout): it hangs, its machine is gone, or the network is; `gblend train --resume` \
                 goes on with the run",
                self.limit.as_secs()
            );
            self.fail(Failure {
                rank: self.name(rank),
                problem,
                code: 1,
            });
        }
        let grace = GRACE.saturating_mul(u32::try_from(self.rank + 1).unwrap_or(u32::MAX));
        let grace = grace.min(LONGEST_GRACE);
        if self.failed_at.is_some_and(|at| at.elapsed() > grace) {
            self.abort();
        }
    }

    /// Ends all processes of the job, after a word of why unless it is said elsewhere.
    fn abort(&self) -> ! {
        let failure = self.mailbox.lock().failure.clone();
        let code = failure.as_ref().map_or(1, |failure| failure.code);
        let heard_of_first = self.heard[0].elapsed() <= self.limit;
        if let Some(failure) = failure
            && !self.told
            && (self.rank == 0 || !heard_of_first)
        {
            let _ = writeln!(std::io::stderr().lock(), "error: {}", failure.error());
        }
        self.world.abort(i32::from(code))
    }

    /// Tells the others how the work has ended, and waits until theirs has.
    fn end(&mut self, ending: Ending) {
        let failed = match ending {
            Ending::Done => None,
            Ending::Failed { code, problem } => Some([&[code][..], problem.as_bytes()].concat()),
        };
        if let (Some(message), true) = (&failed, self.rank == 0) {
            // Said before anything can end this process.
            let problem = String::from_utf8_lossy(message.get(1..).unwrap_or_default()).into_owned();
            let _ = writeln!(std::io::stderr().lock(), "error: {problem}");
            self.told = true;
        }
        let (tag, message) = match failed {
            // What rank 0 has told this one, and that rank 0 is silent, is nothing to tell rank 0.
            Some(_) if self.rank != 0 && self.failed_at.is_some() => (Tag::Ended, Vec::new()),
            Some(message) => (Tag::Failed, message),
            None => (Tag::Ended, Vec::new()),
        };
        let failing = tag == Tag::Failed;
        let to: Vec<Outgoing> = self
            .watched()
            .into_iter()
            .map(|rank| (rank, tag, message.clone()))
            .collect();
        if failing {
            self.failed_at.get_or_insert_with(Instant::now);
            self.mailbox.fail(Failure {
                rank: self.name(self.rank),
                problem: String::from_utf8_lossy(message.get(1..).unwrap_or_default()).into_owned(),
                code: message.first().copied().unwrap_or(1),
            });
        }
        self.pass(to);
        while self.watched().into_iter().any(|rank| !self.ended[rank]) {
            self.pass(Vec::new());
            std::thread::sleep(REST);
        }
        if let (0, false, Some(failure)) = (self.rank, self.told, self.mailbox.failure()) {
            // Another one has failed when this one was done.
            let _ = writeln!(std::io::stderr().lock(), "error: {failure}");
        }
    }
}

/// How long to sleep after so long without anything to do.
fn rest(idle: Duration, usual: Duration) -> Duration {
    if idle < LONG { usual } else { LONG_REST }
}

/// A message in pieces.
fn pieces(letter: Letter) -> Vec<Outgoing> {
    let Letter { to, message } = letter;
    if message.len() <= PIECE {
        return vec![(to, Tag::Last, message)];
    }
    let count = message.len().div_ceil(PIECE);
    let pieces = message.chunks(PIECE).enumerate();
    pieces
        .map(|(number, piece)| {
            let tag = if number + 1 == count {
                Tag::Last
            } else {
                Tag::Piece
            };
            (to, tag, piece.to_vec())
        })
        .collect()
}
