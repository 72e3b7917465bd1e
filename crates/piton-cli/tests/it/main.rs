//! The command as a person or a program calls it.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests make their own files"
)]

mod command;

mod config;
mod crashes;
mod forget;
mod help;
mod pages;
mod seed;
mod show;
mod status;
mod usage;
