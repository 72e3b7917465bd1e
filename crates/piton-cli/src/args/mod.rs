//! The command line: parsed here into plain values, checked and resolved elsewhere.
//!
//! Values that may hold a login (URLs, headers, logins) stay text until after parsing: clap repeats a
//! value that it refuses, and a login must not be repeated.

mod adopt;
mod each;
mod failures;
mod fetch;
mod forget;
mod generate;
mod get;
mod job;
mod lines;
mod list;
mod network;
mod output;
mod resume;
mod retry;
mod show;
mod status;
mod transfer;
mod value;
mod whose;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::exit::Exit;

pub(crate) use adopt::{AdoptArgs, AdoptionOptions};
pub(crate) use each::EachArgs;
pub(crate) use failures::FailuresArgs;
pub(crate) use fetch::FetchOptions;
pub(crate) use forget::ForgetArgs;
pub(crate) use generate::{CompletionsArgs, ManArgs};
pub(crate) use get::{CheckOptions, FileOptions, GetArgs};
pub(crate) use job::{AdoptAs, Every, JobOptions, ResultOptions};
pub(crate) use lines::LinesArgs;
pub(crate) use list::{ListFlow, ListOptions, ListSource};
pub(crate) use network::{HttpVersion, NetworkOptions};
pub(crate) use output::OutputOptions;
pub(crate) use resume::ResumeArgs;
pub(crate) use retry::{LetterOptions, RetryArgs};
pub(crate) use show::ShowArgs;
pub(crate) use status::StatusArgs;
pub(crate) use transfer::TransferOptions;
pub(crate) use value::{Bytes, FailureLimit, Span};
pub(crate) use whose::Whose;

/// Crash-safe, resumable downloads
///
/// Whatever stops a download (Ctrl-C, kill -9, a power cut, a full disk, a dropped connection), run
/// the same command again to resume it. A file under its final name is complete and verified; until
/// then its bytes are in NAME.part, and NAME.piton records which of them can be trusted.
#[derive(Debug, Parser)]
#[command(
    name = "piton",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "piton get URL fetches a file; run the same command again to resume it.",
    after_long_help = after_long_help(),
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Config file to use, or "none"
    ///
    /// The default is piton/config.toml in $XDG_CONFIG_HOME or ~/.config. The command line overrides
    /// the file.
    #[arg(long, global = true, value_name = "FILE|none", hide_short_help = true)]
    pub(crate) config: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  piton get https://example.com/big.iso       fetch a file, or resume it
  piton get -i list.txt                       fetch all files of a list, or resume it
  piton resume ~/Downloads                    resume all unfinished files in a folder
  piton status                                show what is unfinished here
  piton adopt big.iso https://example.com/big.iso   continue a file that curl or wget started
  piton adopt --done finished.txt -i list.txt  mark what a script has finished of a list
  piton status list.txt                       show the progress of a list
  piton retry list.txt --class timeout        try the items that timed out again
  piton lines big.log -o errors.txt -- grep ERROR   process a log in chunks, or resume it
  piton each ids.txt -o out.txt -- ./ask {}   run a command for each line, or resume it

More commands:
  piton completions SHELL                     print completions for bash, zsh, fish, ...
  piton man [DIR]                             print the man page, or write all pages into DIR

Exit codes:
";

fn after_long_help() -> String {
    let codes = Exit::ALL.map(|exit| format!("  {:>3}  {}\n", exit.code(), exit.meaning()));
    format!("{EXAMPLES}{}", codes.concat().trim_end())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Get(Box<GetArgs>),
    Resume(Box<ResumeArgs>),
    Adopt(Box<AdoptArgs>),
    Retry(Box<RetryArgs>),
    Failures(FailuresArgs),
    Lines(Box<LinesArgs>),
    Each(Box<EachArgs>),
    Status(StatusArgs),
    Show(ShowArgs),
    Forget(ForgetArgs),
    #[command(hide = true)]
    Completions(CompletionsArgs),
    #[command(hide = true)]
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_documentation_has_every_option_and_command() {
        let page = include_str!("../../../../docs/cli.md");
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(page.contains(&format!("piton {name}")), "docs/cli.md lacks piton {name}");
            for option in command.get_arguments() {
                if let Some(long) = option.get_long() {
                    let shown = [format!("`--{long}`"), format!("`--{long} ")];
                    let found = shown.iter().any(|shown| page.contains(shown.as_str()));
                    assert!(found, "docs/cli.md lacks --{long} of piton {name}");
                }
            }
        }
        assert!(page.contains("`--config "));
    }
}
