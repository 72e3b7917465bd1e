//! What only root can set up.

mod full;
mod power;
mod stores;
