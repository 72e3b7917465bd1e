//! Hints for each failure, in the words of the command: the only place that names its options.

use piton::durable::fs::LeadsOut;
use piton::durable::part::PartError;
use piton::fetch::parse::aria2_control::ControlError;
use piton::fetch::{Failure, NotTheFile, Unadoptable};
use piton::remote::{RefusalKind, RemoteError, TlsRemedy};

/// What to do about a failure, in one sentence, if there is something to do.
pub(crate) fn hint(failure: &Failure) -> Option<&'static str> {
    Some(match failure {
        Failure::Exists { .. } => {
            "--overwrite replaces it, --rename keeps both, -o FILE chooses another name"
        }
        Failure::Local(PartError::Locked { .. }) => "wait for the other process, or stop it",
        Failure::Local(PartError::Exchanged { .. }) => {
            "the file there now was left alone; if another download writes it, wait for that one"
        }
        Failure::Local(PartError::NotAFile { .. }) => "-o FILE chooses another name",
        Failure::Local(PartError::NotOurs { why, .. }) => why.remedy(),
        Failure::Local(PartError::Io { source, .. } | PartError::GroupSync { source, .. }) => {
            match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    "free some space and run the same command again: all saved data is kept"
                }
                std::io::ErrorKind::InvalidFilename => {
                    "-o FILE chooses another name (in a list: out=), -d DIR another folder"
                }
                std::io::ErrorKind::FileTooLarge => {
                    "raise the file size limit (ulimit -f); FAT holds no file of 4 GiB or more: choose another folder with -d DIR"
                }
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    "choose a place that you can write to with -d DIR or -o FILE"
                }
                std::io::ErrorKind::WouldBlock => {
                    "raise the limit on the number of processes (ulimit -u, pids.max)"
                }
                std::io::ErrorKind::CrossesDevices
                    if source.get_ref().is_some_and(|error| error.is::<LeadsOut>()) =>
                {
                    "remove the symbolic link, or choose another folder"
                }
                std::io::ErrorKind::CrossesDevices => {
                    "it is on another file system: move it to the target folder first"
                }
                _ => return None,
            }
        }
        Failure::Local(PartError::Begun { .. }) => "piton resume continues it",
        Failure::Local(PartError::Changing { .. }) => "stop that program first",
        Failure::Local(PartError::NewerFormat { .. }) => {
            "use that version, or run `piton forget` and start over"
        }
        Failure::Refused { refusal, .. } => match refusal.kind {
            _ if refusal.code == Some(407) => "put the login into the proxy URL",
            RefusalKind::Unauthorized | RefusalKind::Denied => {
                "give a login with --user, --bearer or a netrc file; if the link has expired, get a new one"
            }
            RefusalKind::Gone => "check the URL",
            RefusalKind::TooMany | RefusalKind::Busy => {
                "the server is busy: run the same command again later"
            }
            _ => return None,
        },
        Failure::NotTheFile { why: NotTheFile::Displaces, .. } => {
            "if it is a login page, run the same command with a new login, cookie or link: all saved \
             data is kept; --restart accepts it as the new version"
        }
        Failure::NotTheFile { why: NotTheFile::Replaces, .. } => {
            "if it is a login page, give a login or cookie; --expect-type TYPE accepts it as the file"
        }
        Failure::NotTheFile { .. } => {
            "open the URL in a browser, or accept that type with --expect-type TYPE"
        }
        Failure::NoAnswer { .. } => {
            "if the server generates the file first, --answer-timeout gives it more time"
        }
        Failure::Changed { .. } => "--restart starts over with the new version",
        Failure::WrongSize { .. } => "check the size you gave, or get the file from another URL",
        Failure::TooLarge { .. } => "--max-size raises the limit",
        Failure::Integrity { .. } => "check the digest, or get the file from another URL",
        Failure::Remote { source, .. } => return of_transport(source),
        Failure::Unadoptable { why, .. } => return of_unadoptable(why),
        _ => return None,
    })
}

fn of_transport(error: &RemoteError) -> Option<&'static str> {
    use RemoteError as E;
    Some(match error {
        E::Resolve { .. } => "check the host name, the network and the name server",
        E::Refused { .. } => "check the port, and that the server is running",
        E::Connect { .. } | E::ConnectTimeout { .. } => {
            "check the network and the proxy settings; --connect-timeout allows more time"
        }
        E::Tls { remedy, .. } => of_tls((*remedy)?)?,
        E::Proxy { status: Some(407), .. } => {
            "put the login into the proxy URL: http://user:password@host:port"
        }
        E::Proxy { .. } => "check the proxy settings",
        E::FilesNotAllowed => {
            "piton copies a file: URL only if you give it to `piton get` on the command line"
        }
        E::DowngradeRefused { .. } => "--allow-downgrade follows it, without encryption",
        E::TooManyRedirects { .. } => "the server redirects in a loop; check the URL",
        E::Reset { .. } | E::Io { .. } | E::Truncated { .. } => {
            "run the same command again: all saved data is kept"
        }
        _ => return None,
    })
}

fn of_tls(remedy: TlsRemedy) -> Option<&'static str> {
    Some(match remedy {
        TlsRemedy::Authority => {
            "--ca-file names a certificate authority to trust; --insecure trusts anyone"
        }
        TlsRemedy::Clock => "check this machine's clock; --insecure trusts anyone",
        TlsRemedy::Name => "check the name in the URL; --insecure trusts anyone",
        TlsRemedy::HttpVersion => {
            "the server does not support the requested HTTP version: use --http auto"
        }
        TlsRemedy::ClientCertificate => {
            "the server requires a client certificate, or a different one: --cert and --key"
        }
        TlsRemedy::TooOld => {
            "the server must support TLS 1.2 with ECDHE and AES-GCM, or newer; try another URL"
        }
        TlsRemedy::Roots => "install ca-certificates, or give root certificates with --ca-file",
        _ => return None,
    })
}

fn of_unadoptable(why: &Unadoptable) -> Option<&'static str> {
    Some(match why {
        Unadoptable::Nothing => "remove it and run piton get",
        Unadoptable::Differs { .. }
        | Unadoptable::Longer { .. }
        | Unadoptable::OtherSize { .. } => {
            "check the URL; piton get -o NAME fetches the whole file under another name"
        }
        Unadoptable::NoRanges | Unadoptable::Encoded { .. } => {
            "piton get -o NAME fetches the whole file under another name"
        }
        Unadoptable::Control(ControlError::Torrent) => "continue it with aria2",
        Unadoptable::Unclaimed | Unadoptable::Control(_) => {
            "move the control file away to compare the file as it is"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::*;

    fn advice(failure: impl Into<Failure>) -> &'static str {
        hint(&failure.into()).unwrap_or_default()
    }

    fn io(source: impl Into<io::Error>) -> PartError {
        PartError::Io { what: "write", path: "f".into(), source: source.into() }
    }

    #[test]
    fn what_is_named() {
        let path = || PathBuf::from("f");
        let exists = advice(Failure::Exists { path: path() });
        assert!(exists.contains("--overwrite") && exists.contains("--rename"), "{exists}");
        // What is no file is never replaced: nobody is advised to insist.
        let device = advice(PartError::NotAFile { path: path() });
        assert!(!device.contains("--overwrite") && !device.contains("--rename"), "{device}");
        assert!(advice(io(io::ErrorKind::StorageFull)).contains("free some space"));
        assert!(advice(io(io::ErrorKind::ReadOnlyFilesystem)).contains("-d DIR"));
        assert!(advice(io(io::ErrorKind::InvalidFilename)).contains("another name"));
        assert!(advice(io(io::ErrorKind::FileTooLarge)).contains("ulimit -f"));
        assert!(advice(io(io::ErrorKind::CrossesDevices)).contains("another file system"));
        let out = LeadsOut { folder: path(), to: path() };
        let out = io::Error::new(io::ErrorKind::CrossesDevices, out);
        assert!(advice(io(out)).contains("remove the symbolic link"));
        for error in [
            PartError::Locked { path: path(), holder: None },
            PartError::NewerFormat { path: path(), found: 2 },
        ] {
            assert!(!advice(error).is_empty());
        }
    }

    #[test]
    fn tls() {
        for (remedy, says) in [
            (TlsRemedy::Authority, "--ca-file"),
            (TlsRemedy::Clock, "clock"),
            (TlsRemedy::Name, "name"),
            (TlsRemedy::ClientCertificate, "--cert"),
            (TlsRemedy::Roots, "ca-certificates"),
        ] {
            assert!(of_tls(remedy).unwrap().contains(says), "{remedy:?}");
        }
        assert!(!of_tls(TlsRemedy::TooOld).unwrap().contains("--cert"));
    }
}
