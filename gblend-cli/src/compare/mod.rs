//! Comparisons: the same task under several methods, over several seeds.
//!
//! A comparison has a folder:
//!
//! | file | content |
//! |---|---|
//! | `config.toml` | the configuration that every method starts from |
//! | `tuning/METHOD/POINT/seed-N/` | the run folder of one method with settings that were tried, if it was tuned; of several folds, in a folder for each |
//! | `cells/METHOD/seed-N/` | the run folder of one method with one seed, as `gblend train` leaves it |
//! | `compare.json` | the result; written again after every cell |

mod draws;
mod folder;
mod measured;
mod method;
mod plan;
mod runner;
mod same_data;
mod simplex;
mod spaces;
mod tabulate;
mod tuning;

pub use draws::first_of_folds;
pub use method::{DEFAULT_METHODS, Method};
pub use plan::Scope;
pub use runner::{Workers, compare, serve};
pub use tuning::{Grid, LEARNING_RATE, Tuning};
