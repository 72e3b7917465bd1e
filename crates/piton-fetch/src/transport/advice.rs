//! What to do about a failed exchange.

use super::error::TransportError;

impl TransportError {
    /// What to do about it, in one sentence, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Resolve { .. } => "check the name, the network and the name server",
            Self::Refused { .. } => "check the port, or whether the server runs",
            Self::Connect { .. } | Self::ConnectTimeout { .. } => {
                "check the network and the proxy settings; --connect-timeout gives it more time"
            }
            Self::Tls { hint, .. } => (*hint)?,
            Self::Proxy { status: Some(407), .. } => {
                "put the login into the address of the proxy: http://user:password@host:port"
            }
            Self::Proxy { .. } => "check the proxy settings",
            Self::DowngradeRefused { .. } => "--allow-downgrade follows it, unprotected",
            Self::TooManyRedirects { .. } => "the server sends in circles; check the address",
            Self::Reset { .. } | Self::Io { .. } | Self::Truncated { .. } => {
                "run the same command again: what came in is kept"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }

    /// Whether the exchange failed before the server said a word about the request: what a limit
    /// on connections looks like from here.
    pub(crate) fn before_answer(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::Connect { .. }
                | Self::ConnectTimeout { .. }
                | Self::Reset { .. }
        )
    }
}
