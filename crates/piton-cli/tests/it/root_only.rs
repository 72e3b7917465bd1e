//! What only root can set up.

mod failing;
mod few_threads;
mod job_disks;
mod planted;
mod power;
mod power_lists;
mod power_urls;
mod shared;
