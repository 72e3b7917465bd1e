//! The `piton` command: arguments, config, screens and exit codes on top of the library. It has no logic of
//! its own.

mod args;
mod commands;
mod config;
mod environment;
mod exit;
mod hint;
mod keyboard;
mod network;
mod out;
mod read;
mod screen;
mod signals;
mod trouble;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use environment::Environment;
use exit::Exit;
use piton::fetch::redact;
use trouble::Trouble;

/// Every exit code is decided here or, for failures of the library, in [`exit`].
fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(shown) => {
            print(&shown);
            return if shown.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    match std::panic::catch_unwind(|| run(cli)) {
        Ok(Ok(exit)) => exit.into(),
        Ok(Err(trouble)) => {
            out::complain(None, &trouble);
            trouble.exit.into()
        }
        // The state on disk is valid anyway: it is what a kill would have left (G2, G3).
        Err(_panic) => Exit::Unexpected.into(),
    }
}

/// The output of the argument parser: help, the version, or an error that repeats the argument, which may
/// be a file name from the shell.
fn print(shown: &clap::Error) {
    let plain = shown.render().to_string();
    if shown.use_stderr() && plain.lines().any(|line| line.contains(redact::is_deceptive)) {
        plain.lines().for_each(out::say);
    } else {
        // A reader that closed the pipe is not a failure.
        let _ = shown.print();
    }
}

fn run(cli: Cli) -> Result<Exit, Trouble> {
    signals::survive_the_file_size_limit().map_err(|error| Trouble::cannot_start(&error))?;
    let environment = Environment::read();
    let load = || config::Config::load(cli.config.as_deref(), &environment);
    match cli.command {
        Command::Get(args) => commands::get(*args, load()?, &environment),
        Command::Resume(args) => commands::resume(*args, load()?, &environment),
        Command::Retry(args) => commands::retry(*args, load()?, &environment),
        Command::Lines(args) => commands::lines(*args, &environment),
        Command::Each(args) => commands::each(*args, &environment),
        Command::Failures(args) => commands::failures(&args),
        Command::Status(args) => commands::status(&args),
        Command::Show(args) => commands::show(&args),
        Command::Adopt(args) => commands::adopt(*args, load()?, &environment),
        Command::Forget(args) => commands::forget(&args),
        Command::Completions(args) => commands::completions(&args),
        Command::Man(args) => commands::man(&args),
    }
}
