//! Comparisons: the same task under several methods, over several seeds.
//!
//! A comparison has a folder:
//!
//! | file | content |
//! |---|---|
//! | `config.toml` | the configuration that every method starts from |
//! | `cells/METHOD/seed-N/` | the run folder of one method with one seed, as `gblend train` leaves it |
//! | `compare.json` | the result; written again after every cell |

mod result;

pub use result::{Comparison, Difference, LeftOut, Row, Simplex, SimplexPoint};
