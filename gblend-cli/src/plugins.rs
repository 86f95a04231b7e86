//! Crates whose plugins this library brings along: naming them is what links and registers them.

use gblend_modalities as _;
use gblend_optim as _;
