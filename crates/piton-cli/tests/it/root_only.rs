//! What only root can set up.

mod power;
