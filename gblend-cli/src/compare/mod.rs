//! Comparisons: the same task under several methods, over several seeds.
//!
//! A comparison has a folder:
//!
//! | file | content |
//! |---|---|
//! | `config.toml` | the configuration that every method starts from |
//! | `cells/METHOD/seed-N/` | the run folder of one method with one seed, as `gblend train` leaves it |
//! | `compare.json` | the result; written again after every cell |

mod folder;
mod method;
mod plan;
mod result;
mod runner;
mod simplex;
mod statistics;
mod tabulate;

pub use folder::FORMAT;
pub use method::{DEFAULT_METHODS, Method};
pub use plan::Scope;
pub use result::{Comparison, Difference, LeftOut, Row, Simplex, SimplexPoint};
pub use runner::compare;
pub(crate) use statistics::difference;
