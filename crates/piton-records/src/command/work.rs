//! A command as the work of a job: a fresh one for each piece.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::sync::{Mutex, PoisonError};

use piton_durable::crc::crc64;

use super::{CommandLine, Ended, Limits, Ran, RunError, Runner, Stop};
use crate::body::{Body, Header};
use crate::error::Error;
use crate::framing::Framing;
use crate::parallel::{Attempt, Failed, FilePiece, Work};

/// SIGINT.
const INTERRUPT: i32 = 2;
/// The longest header.
const HEADER: usize = 1 << 20;
/// By this a command says that trying again may help (`EX_TEMPFAIL` of sysexits.h).
pub const TRY_AGAIN: i32 = 75;

/// How a command gets a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// On its standard input, behind the header if the job keeps that apart.
    Stdin,
    /// The record in place of each `{}` of its arguments, or as the last one. Its standard input is empty.
    Argument,
}

/// What a command is given of a source.
pub(super) struct Given<'a> {
    pub(super) id: String,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) line: u64,
    pub(super) records: u64,
    pub(super) bytes: &'a [u8],
    pub(super) header: Option<&'a [u8]>,
}

/// Gets what a command writes to its standard error, with the number of the first record of its piece.
pub type OnStderr = dyn Fn(u64, &[u8]) + Send + Sync;

/// Runs a command for each piece of a job. Its output is the result if it exits with 0.
///
/// A command finds these in its environment: `PITON_CHUNK_ID` (the same in every attempt, fit for an
/// `Idempotency-Key`), `PITON_OFFSET` and `PITON_LENGTH` (in bytes of the source), `PITON_LINE` (the number of its first
/// record, from 1), `PITON_RECORDS` and `PITON_ATTEMPT` (from 1).
pub struct CommandWork {
    line: CommandLine,
    input: Input,
    limits: Limits,
    framing: Framing,
    stop: Stop,
    transient: Vec<i32>,
    on_stderr: Box<OnStderr>,
    /// Runners that no thread uses now.
    free: Mutex<Vec<Runner>>,
}

impl CommandWork {
    /// Runs this command; `stop` ends it.
    pub fn new(
        line: CommandLine,
        input: Input,
        framing: Framing,
        limits: Limits,
        stop: &Stop,
    ) -> Self {
        Self {
            line,
            input,
            limits,
            framing,
            stop: stop.clone(),
            transient: vec![TRY_AGAIN],
            on_stderr: Box::new(|_, _| ()),
            free: Mutex::default(),
        }
    }

    /// These exit codes say that trying again may help, beside [`TRY_AGAIN`].
    #[must_use]
    pub fn transient_codes(mut self, codes: impl IntoIterator<Item = i32>) -> Self {
        self.transient.extend(codes);
        self
    }

    /// What to do with what commands write to standard error.
    #[must_use]
    pub fn on_stderr(mut self, show: Box<OnStderr>) -> Self {
        self.on_stderr = show;
        self
    }

    /// What the job remembers of it: the command, and how it gets a piece.
    pub fn what(&self) -> String {
        match self.input {
            Input::Stdin => self.line.to_string(),
            Input::Argument => format!("each: {}", self.line),
        }
    }

    /// An attempt at what the command is given; `result` makes the result of its output.
    pub(super) fn try_on(
        &self,
        given: &Given<'_>,
        number: u32,
        result: impl FnOnce(Body) -> Result<Body, Error>,
    ) -> Attempt {
        match self.run(given, number) {
            Ok(ran) if ran.ended.is_success() => match result(ran.output.into()) {
                Ok(body) => Attempt::Done(body),
                Err(error) => Attempt::Broken(error),
            },
            Ok(ran) if ran.ended == Ended::Stopped => Attempt::Stopped,
            Ok(ran) => Attempt::Failed(self.failed(&ran)),
            Err(error) if error.is_of_the_record() => {
                Attempt::Failed(Failed::permanent(error.to_string()))
            }
            Err(error) => Attempt::Broken(Error::Command(error)),
        }
    }

    fn run(&self, given: &Given<'_>, number: u32) -> Result<Ran, RunError> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut runner =
            free().pop().unwrap_or_else(|| Runner::new(self.limits.clone(), &self.stop));
        let of_number = |number: u64| OsString::from(number.to_string());
        let values = [
            ("PITON_CHUNK_ID", OsString::from(&given.id)),
            ("PITON_OFFSET", of_number(given.offset)),
            ("PITON_LENGTH", of_number(given.length)),
            ("PITON_LINE", of_number(given.line)),
            ("PITON_RECORDS", of_number(given.records)),
            ("PITON_ATTEMPT", of_number(number.into())),
        ];
        let env = values.each_ref().map(|(name, value)| (*name, value.as_os_str()));
        let mut show = |bytes: &[u8]| (self.on_stderr)(given.line, bytes);
        let ran = match self.input {
            Input::Stdin => {
                let input = match given.header {
                    Some(header) => Cow::Owned([header, given.bytes].concat()),
                    None => Cow::Borrowed(given.bytes),
                };
                runner.run(&self.line.as_given(), Some(&input), &env, &mut show)
            }
            Input::Argument => {
                let record = self.framing.trim(given.bytes);
                let invocation = self.line.with_record(record)?;
                runner.run(&invocation, None, &env, &mut show)
            }
        };
        free().push(runner);
        ran
    }

    /// How it gets what it is given.
    pub(super) fn input(&self) -> Input {
        self.input
    }

    /// What the command wrote. If it got a header, it wrote one.
    fn result(&self, piece: &FilePiece, output: Body) -> Result<Body, Error> {
        if piece.header().is_none() {
            return Ok(output);
        }
        let first = self.first_record(&output).map_err(Error::io("read", &self.limits.spill))?;
        let header = Header { len: first.len() as u64, crc: crc64(&first) };
        Ok(output.with_header(header))
    }

    /// The first record of an output, of which no more than a mebibyte is looked at.
    fn first_record(&self, output: &Body) -> io::Result<Vec<u8>> {
        let (mut scanner, mut ends, mut first) = (self.framing.scanner(), Vec::new(), Vec::new());
        output.for_each(|bytes| {
            if ends.is_empty() && first.len() < HEADER {
                scanner.scan(bytes, &mut ends);
                first.extend_from_slice(
                    bytes.get(..ends.first().copied().unwrap_or(bytes.len())).unwrap_or_default(),
                );
            }
            Ok(())
        })?;
        Ok(first)
    }

    fn failed(&self, ran: &Ran) -> Failed {
        let (why, transient) = match ran.ended {
            Ended::Code(code) => (format!("exit code {code}"), self.transient.contains(&code)),
            // Ctrl-C reaches also a command that is just being started, and then us.
            Ended::Signal(signal) => {
                (format!("it was killed by signal {signal}"), signal == INTERRUPT)
            }
            Ended::HeldOpen => {
                ("it left a process behind that holds its output open".to_owned(), false)
            }
            Ended::TimedOut => ("it took too long and was ended".to_owned(), true),
            Ended::Stopped => ("it was stopped".to_owned(), true),
        };
        Failed { why, stderr: ran.stderr.clone(), transient }
    }
}

impl Work for CommandWork {
    fn attempt(&self, piece: &FilePiece, number: u32) -> Attempt {
        let given = Given {
            id: piece.id(),
            offset: piece.offset(),
            length: piece.bytes().len() as u64,
            line: piece.line(),
            records: piece.count(),
            bytes: piece.bytes(),
            header: piece.header(),
        };
        self.try_on(&given, number, |output| self.result(piece, output))
    }

    fn stop(&self) {
        self.stop.stop();
    }
}

impl From<super::Body> for Body {
    fn from(output: super::Body) -> Self {
        match output {
            super::Body::Memory(bytes) => bytes.into(),
            super::Body::File { file, len } => Self::of_file(file, 0, len),
        }
    }
}
