//! What only root can set up.

mod power;
mod power_lists;
