//! `piton completions` and `piton man`.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use piton::durable::dirs;
use piton::durable::fs::OsFs;
use piton::durable::part::Durability;
use piton::durable::replace::replace;

use crate::args::{Cli, CompletionsArgs, ManArgs};
use crate::exit::Exit;
use crate::out;
use crate::trouble::Trouble;

pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit, Trouble> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "piton", &mut script);
    out::print(&script)?;
    Ok(Exit::Done)
}

pub(crate) fn man(args: &ManArgs) -> Result<Exit, Trouble> {
    // `piton help` shows what the pages say: it needs none itself.
    let mut command = Cli::command().disable_help_subcommand(true);
    // Gives the subcommands their full names and the options that are common to all.
    command.build();
    match &args.directory {
        None => out::print(&page(&command).map_err(|error| unexpected(&error))?)?,
        Some(folder) => {
            dirs::create(&OsFs, folder, Durability::Power)
                .map_err(|error| Trouble::file(error.what, &error.path, &error.source))?;
            for (name, page) in pages(&command).map_err(|error| unexpected(&error))? {
                write(&folder.join(name), &page)?;
            }
        }
    }
    Ok(Exit::Done)
}

/// `piton.1`, `piton-get.1` and so on.
fn pages(command: &Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let commands = std::iter::once(command).chain(command.get_subcommands());
    commands
        .map(|command| {
            let name = command.get_display_name().unwrap_or(command.get_name());
            Ok((format!("{name}.1"), page(command)?))
        })
        .collect()
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

fn write(path: &Path, page: &[u8]) -> Result<(), Trouble> {
    replace(&OsFs, path, page, 0o644).map_err(|error| Trouble::new(Exit::Local, error.to_string()))
}

fn unexpected(error: &io::Error) -> Trouble {
    Trouble::new(Exit::Unexpected, format!("cannot render: {error}"))
}
