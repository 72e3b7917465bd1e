//! Options of the commands that process records.

use std::ffi::OsString;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use piton::records::{Compression, Framing};

use super::OutputOptions;
use super::value::{Bytes, FailureLimit, Frequency, Span};

/// What is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Source")]
pub(crate) struct SourceOptions {
    /// Records are separated by NUL bytes, as find -print0 writes them
    #[arg(short = '0', long, conflicts_with_all = ["delimiter", "csv"])]
    pub(crate) null: bool,

    /// Records end with this character: "\t", ";", ... [default: line ends]
    #[arg(long, value_name = "CHAR", conflicts_with = "csv", hide_short_help = true)]
    pub(crate) delimiter: Option<Byte>,

    /// Records are those of a CSV file: line ends in quotes do not end them
    #[arg(long)]
    pub(crate) csv: bool,

    /// Fields of the CSV file are separated by this character [default: a comma]
    #[arg(long, value_name = "CHAR", requires = "csv", hide_short_help = true)]
    pub(crate) separator: Option<Byte>,

    /// Give the first record to each CMD, before its own records, and write it once
    #[arg(long)]
    pub(crate) header: bool,

    /// A longer record goes to the dead letters, or stops the job [default: 16MiB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    pub(crate) max_record: Option<Bytes>,

    /// How FILE is compressed [default: as its first bytes say]
    #[arg(long, value_name = "FORMAT", hide_short_help = true)]
    pub(crate) compression: Option<Format>,

    /// Decompress a .zst or .xz that needs more memory than 128 MiB, up to SIZE
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    pub(crate) max_window: Option<Bytes>,

    /// Also process what was appended to FILE since the job began
    #[arg(long)]
    pub(crate) accept_append: bool,

    /// Continue at the saved position although what is before it has changed
    #[arg(long, hide_short_help = true)]
    pub(crate) rebase: bool,

    /// Check all of FILE that was read, not only its start and the end of what was read
    #[arg(long, value_name = "sha256", hide_short_help = true)]
    pub(crate) verify_source: Option<Verify>,

    /// Start over: move the saved state and the unfinished output aside
    #[arg(long)]
    pub(crate) restart: bool,
}

/// Where results go, and where the position is kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Results")]
pub(crate) struct ResultOptions {
    /// Write the results to this file; until the job is done they are in FILE.part [default: stdout]
    #[arg(short, long, value_name = "FILE", conflicts_with = "append")]
    pub(crate) output: Option<PathBuf>,

    /// Append the results to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) append: Option<PathBuf>,

    /// Save the position at the end only: a pipe gets everything again after an interruption
    #[arg(long, hide_short_help = true)]
    pub(crate) commit_at_end: bool,

    /// Where the position is saved: file:PATH, json:PATH, sqlite:PATH?job=NAME, redis://HOST/DB?job=NAME
    ///
    /// [default: OUTPUT.piton-job, or FILE.piton-job without an output]
    #[arg(long, value_name = "PLACE", hide_short_help = true)]
    pub(crate) state: Option<String>,

    /// Save the position after N records, or each TIME (10s) [default: what costs at most 2 %]
    #[arg(long, value_name = "N|TIME", hide_short_help = true)]
    pub(crate) checkpoint_every: Option<Every>,
}

/// How the command runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Command")]
pub(crate) struct WorkOptions {
    /// Run N commands at the same time [default: one per processor]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Write results as they are finished, not in the order of FILE
    #[arg(long)]
    pub(crate) unordered: bool,

    /// Write what fails to this file, with the error, and continue [default: stop]
    #[arg(long, value_name = "FILE")]
    pub(crate) dead_letter: Option<PathBuf>,

    /// Stop when more than N records, or P% of them, have failed
    #[arg(long, value_name = "N|P%", requires = "dead_letter", hide_short_help = true)]
    pub(crate) max_failures: Option<FailureLimit>,

    /// Try again up to N times after exit code 75, a timeout or a code of --retry-on [default: 3]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(crate) retries: Option<u32>,

    /// Exit codes that say that trying again may help, besides 75
    #[arg(long, value_name = "CODES", value_delimiter = ',', hide_short_help = true)]
    pub(crate) retry_on: Vec<i32>,

    /// End a command that runs longer than this, with its children
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<Span>,

    /// Start at most N commands per second (0.5: one every two seconds)
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(crate) rate: Option<Frequency>,

    /// Keep at most SIZE of results that wait for an earlier one [default: 1GiB]
    #[arg(long, value_name = "SIZE", hide_short_help = true)]
    pub(crate) spool_limit: Option<Bytes>,

    /// Continue a job that was started with another CMD
    #[arg(long, hide_short_help = true)]
    pub(crate) accept_command: bool,
}

/// One byte, as a character or an escape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Byte(pub(crate) u8);

impl FromStr for Byte {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let byte = match text {
            "\\t" => b'\t',
            "\\n" => b'\n',
            "\\r" => b'\r',
            "\\0" => 0,
            _ => match text.as_bytes() {
                [byte] => *byte,
                [b'\\', b'x', hex @ ..] if hex.len() == 2 => {
                    let hex = text.get(2..).and_then(|hex| u8::from_str_radix(hex, 16).ok());
                    return hex.map(Self).ok_or("expected two hexadecimal digits after \\x");
                }
                _ => return Err("expected one character, or \\t, \\0, \\x1f"),
            },
        };
        Ok(Self(byte))
    }
}

/// How a source is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl From<Format> for Compression {
    fn from(format: Format) -> Self {
        match format {
            Format::None => Self::None,
            Format::Gzip => Self::Gzip,
            Format::Zstd => Self::Zstd,
            Format::Bzip2 => Self::Bzip2,
            Format::Xz => Self::Xz,
        }
    }
}

/// How the source is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verify {
    Sha256,
}

/// A number of records, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Every {
    Records(NonZeroU64),
    Time(Duration),
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(records) = text.parse() {
            return Ok(Self::Records(records));
        }
        match text.parse::<Span>() {
            Ok(Span(time)) if text.ends_with(|last: char| last.is_ascii_alphabetic()) => {
                Ok(Self::Time(time))
            }
            _ => Err("expected a number of records, or a time such as 10s".to_owned()),
        }
    }
}

impl SourceOptions {
    pub(crate) fn framing(&self) -> Framing {
        let separator = self.separator.map_or(b',', |Byte(byte)| byte);
        match (self.null, self.csv, self.delimiter) {
            (true, ..) => Framing::Delimited(0),
            (_, true, _) => Framing::Csv { separator },
            (.., Some(Byte(byte))) => Framing::Delimited(byte),
            _ => Framing::LINES,
        }
    }
}

/// The options that "lines" and "each" share.
#[derive(Debug, Args)]
pub(crate) struct JobOptions {
    #[command(flatten)]
    pub(crate) source: SourceOptions,
    #[command(flatten)]
    pub(crate) results: ResultOptions,
    #[command(flatten)]
    pub(crate) work: WorkOptions,
    #[command(flatten)]
    pub(crate) screen: OutputOptions,
}

/// The file of records.
#[derive(Debug, Args)]
pub(crate) struct FileOfRecords {
    /// The file to read, compressed or not
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The command and its arguments
    #[arg(value_name = "CMD", last = true)]
    pub(crate) command: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte() {
        for (text, byte) in
            [(";", b';'), ("\\t", b'\t'), ("\\0", 0), ("\\x1f", 0x1f), ("\\", b'\\')]
        {
            assert_eq!(text.parse(), Ok(Byte(byte)), "{text}");
        }
        for wrong in ["", "ab", "é", "\\x1", "\\xzz", "\\q"] {
            assert!(wrong.parse::<Byte>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn records_or_a_time() {
        assert_eq!("100".parse(), Ok(Every::Records(100.try_into().unwrap())));
        assert_eq!("10s".parse(), Ok(Every::Time(Duration::from_secs(10))));
        for wrong in ["", "0", "-1", "often", "1.5"] {
            assert!(wrong.parse::<Every>().is_err(), "{wrong}");
        }
    }
}
