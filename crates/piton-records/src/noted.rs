//! What other programs note of how far they are.

use std::collections::BTreeSet;

use crate::start::Start;

/// What a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Noted {
    /// A number: so many lines are done.
    LinesDone,
    /// The number of the last line that is done; the first one is 0.
    LastLine0,
    /// The same; the first one is 1.
    LastLine1,
    /// A number: so many bytes are done.
    ByteOffset,
    /// The offset file of logtail: a line with the inode of the file, a line with the offset.
    Logtail,
    /// The joblog of GNU parallel: what ended with code 0 and without a signal is done.
    Joblog,
}

/// Why a file says nothing of that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotedError {
    /// It is not a number alone.
    #[error("it does not hold a number")]
    NoNumber,
    /// It is not an offset file.
    #[error("it is not an offset file of logtail: a line with an inode, a line with an offset")]
    NoOffsetFile,
    /// It is of another file: the log was rotated, or copied.
    #[error("it is for the file with inode {noted}, and this one has inode {inode}")]
    OtherFile {
        /// As it says.
        noted: u64,
        /// Of the source.
        inode: u64,
    },
    /// It is not a joblog.
    #[error(
        "it is not a joblog of GNU parallel: its first line does not begin with Seq, Host, Starttime"
    )]
    NoJoblog,
}

impl Noted {
    /// Where a job begins that continues after this; `inode` is that of the source.
    ///
    /// # Errors
    /// [`NotedError`].
    pub fn start(self, text: &[u8], inode: u64) -> Result<Start, NotedError> {
        let text = String::from_utf8_lossy(text);
        let number = || text.trim().parse::<u64>().map_err(|_| NotedError::NoNumber);
        Ok(match self {
            Self::LinesDone | Self::LastLine1 => Start::Records(number()?),
            Self::LastLine0 => {
                Start::Records(number()?.checked_add(1).ok_or(NotedError::NoNumber)?)
            }
            Self::ByteOffset => Start::Bytes(number()?),
            Self::Logtail => logtail(&text, inode)?,
            Self::Joblog => joblog(&text)?,
        })
    }
}

fn logtail(text: &str, inode: u64) -> Result<Start, NotedError> {
    let mut numbers = text.lines().map(|line| line.trim().parse::<u64>());
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(noted)), Some(Ok(_)), None) if noted != inode => {
            Err(NotedError::OtherFile { noted, inode })
        }
        (Some(Ok(_)), Some(Ok(offset)), None) => Ok(Start::Bytes(offset)),
        _ => Err(NotedError::NoOffsetFile),
    }
}

/// Its columns are Seq, Host, Starttime, JobRuntime, Send, Receive, Exitval, Signal, Command. A command may have line ends:
/// what does not look like the start of a line of the log is none. If a job ran again, its last line decides.
fn joblog(text: &str) -> Result<Start, NotedError> {
    let mut lines = text.split_inclusive('\n');
    if !lines.next().is_some_and(|head| head.starts_with("Seq\tHost\tStarttime\t")) {
        return Err(NotedError::NoJoblog);
    }
    let mut done = BTreeSet::new();
    // The last line may be cut off.
    for line in lines.filter(|line| line.ends_with('\n')) {
        let fields: Vec<&str> = line.trim_end_matches('\n').splitn(9, '\t').collect();
        let [number, _, started, _, _, _, code, signal, _] = fields.as_slice() else { continue };
        let (Ok(number), Ok(code), Ok(signal)) =
            (number.parse::<u64>(), code.parse::<i64>(), signal.parse::<i64>())
        else {
            continue;
        };
        if number == 0 || started.trim().parse::<f64>().is_err() {
            continue;
        }
        match (code, signal) {
            (0, 0) => done.insert(number),
            _ => done.remove(&number),
        };
    }
    Ok(Start::Done(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (noted, start) in [
            (Noted::LinesDone, Start::Records(7)),
            (Noted::LastLine0, Start::Records(8)),
            (Noted::LastLine1, Start::Records(7)),
            (Noted::ByteOffset, Start::Bytes(7)),
        ] {
            assert_eq!(noted.start(b" 7\n", 0), Ok(start));
            for wrong in [&b""[..], b"x", b"-1", b"7 8", b"1.5"] {
                assert_eq!(noted.start(wrong, 0), Err(NotedError::NoNumber));
            }
        }
    }

    #[test]
    fn logtail_and_its_inode() {
        let start = |text: &str| Noted::Logtail.start(text.as_bytes(), 12);
        assert_eq!(start("12\n345\n"), Ok(Start::Bytes(345)));
        assert_eq!(start("12\n345"), Ok(Start::Bytes(345)));
        assert_eq!(start("13\n345"), Err(NotedError::OtherFile { noted: 13, inode: 12 }));
        for wrong in ["", "12", "12\n1\n2\n", "a\nb\n"] {
            assert_eq!(start(wrong), Err(NotedError::NoOffsetFile), "{wrong:?}");
        }
    }

    #[test]
    fn joblogs() {
        let head = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";
        let line = |seq, code, signal, cmd| {
            format!("{seq}\t:\t1700000000.123\t     0.002\t0\t2\t{code}\t{signal}\t{cmd}\n")
        };
        let log = [
            head.to_owned(),
            line(2, 0, 0, "echo b"),
            line(1, 1, 0, "echo a"),
            line(3, 0, 9, "echo c"),
            line(4, 0, 0, "printf 'x\n5\ty'"),
            line(6, 0, 0, "echo"),
            // It ran again.
            line(6, 1, 0, "echo"),
            line(1, 0, 0, "echo a"),
            "7\t:\t1700000000.123\t0\t0\t2\t0\t0\tcut off".to_owned(),
        ];
        let start = Noted::Joblog.start(log.concat().as_bytes(), 0);
        assert_eq!(start, Ok(Start::Done([1, 2, 4].into())));
        assert_eq!(Noted::Joblog.start(b"7\n", 0), Err(NotedError::NoJoblog));
    }
}
