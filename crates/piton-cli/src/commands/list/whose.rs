//! A login without a server, and a list: which server may receive it?
//!
//! Whoever wrote the list decides which servers are asked, so a login is not sent to just any of them. For
//! a list from a URL, the user named that server. Any other list must name a single server, which is
//! then reported; that is known once the whole list was read, before anything is fetched.

use piton::fetch::Client;
use piton::lists::source::{Origin, Source};
use tokio::task::spawn_blocking;

use super::place::Place;
use crate::exit::Exit;
use crate::network::Network;
use crate::trouble::Trouble;

/// Whether the list must be read to find out.
pub(super) fn is_open(network: &Network, place: &Place) -> bool {
    network.has_unnamed() && !matches!(place.origin, Origin::Url(_))
}

/// A client that sends the login to the only server of the list, and a message about that. An item that is
/// added to the list later, at another server, is fetched without it.
pub(super) async fn client(
    network: &Network,
    source: Source,
) -> Result<(Client, Option<String>), Trouble> {
    let found = spawn_blocking(move || source.origins(2)).await;
    let found = found.map_err(|_| Trouble::new(Exit::Unexpected, "cannot read the list"))??;
    match found.as_slice() {
        [] => Ok((network.client_for(Vec::new())?, None)),
        [only] => {
            let note =
                format!("sending the login to {}, the only server in this list", only.to_url());
            Ok((network.client_for(found)?, Some(note)))
        }
        [one, other, ..] => {
            let why = format!("the list names {} and {}", one.to_url(), other.to_url());
            network.require_named(&why)?;
            Ok((network.client_for(Vec::new())?, None))
        }
    }
}
