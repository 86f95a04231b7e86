//! `--distributed`, which commands have that several processes do together.

use clap::Args;

#[cfg(feature = "mpi")]
use crate::error::Error;
use crate::error::Result;
use crate::progress::Reporter;
use crate::ranks::Ranks;

/// How those who start processes tell each how many there are, and which it is: Open MPI, MPICH and its kin, Slurm's `srun`.
const STARTERS: [(&str, &str); 3] = [
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
    ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
];

/// The options.
#[derive(Debug, Args)]
pub(super) struct DistributedOption {
    /// Works together with the other processes of a job, the ranks, as in `mpirun -n 4 gblend train CONFIG --distributed`;
    /// docs/cluster.md tells how. For a binary that was built with `--features mpi`.
    #[arg(long)]
    distributed: bool,
    /// Seconds after which a rank that was not heard of ends the job.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30,
        requires = "distributed",
        value_parser = clap::value_parser!(u64).range(2..)
    )]
    rank_timeout: u64,
}

impl DistributedOption {
    /// Does some work alone, or with all ranks of the job. What ends it is told by one of them.
    ///
    /// # Errors
    /// What `work` returns; [`Error::Usage`](crate::Error::Usage) in a binary without MPI, and where MPI connects nobody of those who
    /// were started together; [`Error::ToldElsewhere`](crate::Error::ToldElsewhere) on ranks that are not to say why.
    pub(super) fn run(&self, work: impl FnOnce(&Ranks) -> Result<()>) -> Result<()> {
        if self.distributed {
            return self.with_others(work);
        }
        if let Some((count, 0)) = started_together() {
            Reporter::new(true).warn(&format!(
                "this is one of {count} processes that were started together, and each of them does all of the work by itself: with \
                 --distributed they do it together"
            ));
        }
        work(&Ranks::alone())
    }

    #[cfg(feature = "mpi")]
    fn with_others(&self, work: impl FnOnce(&Ranks) -> Result<()>) -> Result<()> {
        let limit = std::time::Duration::from_secs(self.rank_timeout);
        let job = crate::ranks::Job::start(limit)?;
        let ranks = job.ranks();
        let done = match (ranks.is_many(), started_together()) {
            (false, Some((count, _))) => Err(unconnected(count)),
            (false, None) => {
                Reporter::new(true).warn(
                    "--distributed: this process is the only one of its job; `mpirun -n 4 gblend …` starts four that work together",
                );
                work(&ranks)
            }
            (true, _) => work(&ranks),
        };
        job.end(done)
    }

    #[cfg(not(feature = "mpi"))]
    fn with_others(&self, _: impl FnOnce(&Ranks) -> Result<()>) -> Result<()> {
        Err(crate::error::Error::Usage(
            "--distributed: this gblend was built without MPI; install an MPI library and libclang (on Debian libopenmpi-dev, \
             openmpi-bin and libclang-dev), and build it with `--features mpi`; docs/cluster.md has the steps"
                .into(),
        ))
    }
}

/// How many processes were started together, and which this is, if it is one of several.
fn started_together() -> Option<(usize, usize)> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<usize>().ok();
    let found = STARTERS
        .into_iter()
        .find_map(|(size, rank)| Some((number(size)?, number(rank)?)));
    found.filter(|&(count, _)| count > 1)
}

/// Whoever started the processes and the library that this binary was built with do not know each other: each would do all of it.
#[cfg(feature = "mpi")]
fn unconnected(count: usize) -> Error {
    Error::Usage(format!(
        "--distributed: {count} processes were started, and MPI does not connect this one with any other: it was built with another MPI \
         than the one that started it; build gblend with the MPI whose `mpirun` starts it, or under Slurm say which interface that MPI \
         speaks, as in `srun --mpi=pmix` (`srun --mpi=list` has them)"
    ))
}
