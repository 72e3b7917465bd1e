//! HTTP exchanges: one GET at a time per [`Lane`], over connections that are kept.
//!
//! A [`Transport`] holds what all connections share: TLS sessions, proxy rules, cookies, and the HTTP/2
//! connections that several lanes ride on, and those that are idle. A [`Lane`] is one slot for one exchange;
//! it follows redirects, decides which host may see which credential, and keeps its connection for the next
//! request, and for other lanes when it is dropped.
//!
//! The body of an HTTP/1 response never passes through the HTTP library: hyper parses the head, then gives
//! the socket back (`h1.rs`), and [`Body::read`] receives straight into the caller's buffer. That is what
//! keeps a download at the cost of `recv` and the write.
//!
//! Nothing here waits without an end except for the other side: connecting has its own limit, a stalled
//! response is for the caller to give up, by dropping the future or the [`Body`].

mod body;
mod broken;
mod config;
mod connect;
mod cookies;
mod credentials;
mod digest_login;
mod h1;
mod h2;
mod idle;
mod lane;
mod low_water;
mod pace;
pub(crate) mod parse;
mod proxy;
mod reach;
mod redirect;
mod reply;
mod request;
mod status;
mod stream;
mod tls;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::origin::Origin;
pub use body::Body;
pub(crate) use config::check_headers;
pub use config::{
    AddressFamily, Config, ConfigError, Credentials, Identity, Login, LoginsByHost, Prefer, Tls,
    Versions,
};
use cookie_store::CookieStore;
pub use credentials::is_harmless;
use http_auth::digest::DigestClient;
pub use lane::Lane;
pub use pace::MinRate;
pub use parse::cookies_txt::CookiesTxt;
pub use proxy::ProxyRules;
pub use reach::Reach;
pub(crate) use reply::answer;
pub use reply::refusal;
pub use request::{Request, Response};

/// What all lanes share; cheap to clone. It belongs to the runtime in which it is used first, which drives
/// its connections.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    tls: tls::Connector,
    cookies: Mutex<CookieStore>,
    h2: h2::Pool,
    idle: idle::Idle,
    /// What servers that want a Digest login challenged last.
    challenges: Mutex<HashMap<Origin, DigestClient>>,
}

impl Transport {
    /// Checks `config` and prepares the transport. Contacts nobody, and leaves the loading of the
    /// platform's certificates to the first TLS connection.
    ///
    /// # Errors
    /// [`ConfigError`] for a certificate or key that cannot be used, or a header that is not the user's to set.
    pub fn new(mut config: Config) -> Result<Transport, ConfigError> {
        config.check()?;
        let tls = tls::Connector::new(&config)?;
        let cookies = Mutex::new(config.cookies.take().unwrap_or_default());
        Ok(Transport {
            shared: Arc::new(Shared {
                config,
                tls,
                cookies,
                h2: h2::Pool::default(),
                idle: idle::Idle::default(),
                challenges: Mutex::default(),
            }),
        })
    }

    /// A new slot for exchanges; it connects with its first request.
    pub fn lane(&self) -> Lane {
        Lane::new(self.shared.clone())
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

/// Nothing that can panic runs under these locks, and what they hold is valid between any two steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
