//! `--distributed`, which commands have that several processes do together.

use clap::Args;

use crate::error::Result;
use crate::ranks::Ranks;

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
    /// What `work` returns; [`Error::Usage`](crate::Error::Usage) in a binary without MPI;
    /// [`Error::ToldElsewhere`](crate::Error::ToldElsewhere) on ranks that are not to say why.
    pub(super) fn run(&self, work: impl FnOnce(&Ranks) -> Result<()>) -> Result<()> {
        match self.distributed {
            true => self.with_others(work),
            false => work(&Ranks::alone()),
        }
    }

    #[cfg(feature = "mpi")]
    fn with_others(&self, work: impl FnOnce(&Ranks) -> Result<()>) -> Result<()> {
        let limit = std::time::Duration::from_secs(self.rank_timeout);
        let job = crate::ranks::Job::start(limit)?;
        let done = work(&job.ranks());
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
