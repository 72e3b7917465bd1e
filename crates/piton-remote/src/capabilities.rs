//! What a protocol can do, known before anything is asked.

use url::Url;

/// What a protocol can do beyond answering one question after the other. The engine makes use of what is here, and of
/// nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether several connections at once may bring more bytes a second than one.
    pub connections: Connections,
}

/// How many connections are of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// One: others would wait for the same disk.
    One,
    /// As many as help, and the server allows.
    Several,
}

impl Capabilities {
    /// Those of the protocol that answers for `url`. A redirect never leads to another protocol.
    pub fn of(url: &Url) -> Self {
        match url.scheme() {
            "file" => Self { connections: Connections::One },
            _ => Self { connections: Connections::Several },
        }
    }
}
