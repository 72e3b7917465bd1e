//! The command as a person or a program calls it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests make their own files, and may fail"
)]

mod adopt;
mod cases;
mod command;

mod config;
mod crashes;
mod exchanged;
mod forget;
mod help;
mod hostile_state;
mod job_attacks;
mod job_crashes;
mod job_kills;
mod jobs;
mod kills;
mod lesser;
mod list_kills;
mod lists;
mod logins;
mod manners;
mod pages;
mod real_servers;
mod root_only;
mod show;
mod status;
mod targets;
mod urls;
mod usage;
