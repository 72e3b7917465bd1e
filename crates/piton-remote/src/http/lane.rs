//! One slot for one exchange at a time: connection, redirects, and what is kept for the next request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, PROXY_AUTHORIZATION};
use http::{StatusCode, Uri, response};
use tokio::time::timeout;
use url::{Position, Url};

use super::body::{Body, Rest};
use super::config::{Login, Prefer, Versions};
use super::connect::{Dialed, dial};
use super::h1::{self, NoBody};
use super::h2::{Flow, Hub, Link, Speaks};
use super::proxy::{Kind, Proxy};
use super::request::{Request, Response};
use super::stream::Stream;
use super::tls::{Agreed, Inside};
use super::{Shared, cookies, credentials, digest_login, redirect};
use crate::error::{RemoteError, TlsRemedy};
use crate::origin::Origin;

/// So many challenges of a Digest login are answered for one question: the first, and one for a nonce that is
/// too old.
const CHALLENGES: u32 = 2;

/// Connections kept: one for the address asked, one for where it redirects to.
const KEEP: usize = 2;

/// How long a lane waits for another one's new connection, which it may be able to share.
const PATIENCE: Duration = Duration::from_secs(1);

/// One slot for one exchange at a time; keeps its connection for the next request to the same origin.
/// Dropping it leaves what it keeps to the lanes that come after it, for half a minute.
pub struct Lane {
    shared: Arc<Shared>,
    held: Vec<Held>,
}

/// A connection between two requests.
pub(super) struct Held {
    pub(super) via: Via,
    pub(super) line: Line,
}

impl Held {
    /// Whether another request can be sent on it, as far as this side knows.
    pub(super) fn is_alive(&mut self) -> bool {
        match &mut self.line {
            Line::H1(stream) => stream.is_quiet(),
            Line::H2(link) => link.is_open(),
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.held.drain(..).for_each(|held| self.shared.idle.put(held));
    }
}

/// Where a connection leads.
#[derive(Clone)]
pub(super) struct Via {
    pub(super) origin: Origin,
    pub(super) peer: SocketAddr,
    /// The proxy to which requests are addressed, if there is one.
    pub(super) forward: Option<Proxy>,
}

/// What is known of a connection before it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    /// It served before, and may have died since.
    Before,
    Now,
    /// Now, with a server that was asked for HTTP/1.1 alone and did not say what it speaks.
    NowUnagreed,
}

pub(super) enum Line {
    H1(Stream),
    H2(Arc<Link>),
}

impl Lane {
    pub(super) fn new(shared: Arc<Shared>) -> Lane {
        Lane { shared, held: Vec::new() }
    }

    /// Sends `request` and waits for the head of the answer, following redirects. Every status that is not a
    /// redirect is an answer. There is no time limit beyond the one for connecting; dropping the future gives
    /// the request up.
    ///
    /// What the configuration keeps for an origin is sent there and nowhere else. Headers of the request
    /// and a login in its URL belong to the origin of `request.url`; where that is what an earlier answer
    /// was redirected to, use [`Lane::get_for`].
    ///
    /// # Errors
    /// See [`RemoteError`]; [`RemoteError::retry`] says whether to try again.
    pub async fn get(&mut self, request: &Request) -> Result<Response, RemoteError> {
        self.get_for(&request.url, request).await
    }

    /// Like [`Lane::get`], for a URL that `original` redirected to: the headers of the request and the login
    /// in `original` are sent only if it has the origin of `original`.
    ///
    /// # Errors
    /// As [`Lane::get`].
    pub async fn get_for(
        &mut self,
        original: &Url,
        request: &Request,
    ) -> Result<Response, RemoteError> {
        let mut original = original.clone();
        let given = credentials::take_login(&mut original);
        let first = Origin::of(&original)?;
        let mut url = request.url.clone();
        let mut own = credentials::take_login(&mut url);
        let mut followed = 0;
        loop {
            let origin = Origin::of(&url)?;
            let login = own.take().or_else(|| given.clone().filter(|_| first.trusts(&origin)));
            let (head, body) = self.ask(&first, origin, &url, login, request).await?;
            cookies::keep(&self.shared, &url, &head.headers);
            let config = &self.shared.config;
            match redirect::next(config, head.status, &head.headers, &url, followed)? {
                Some(next) => {
                    body.finish(self);
                    url = next;
                    followed += 1;
                }
                None => {
                    let redirected = followed > 0;
                    let peer = body.peer();
                    let response::Parts { status, version, headers, .. } = head;
                    return Ok(Response { status, version, headers, url, redirected, peer, body });
                }
            }
        }
    }

    /// One question, with the answer to a challenge if the server wants a Digest login.
    async fn ask(
        &mut self,
        first: &Origin,
        origin: Origin,
        url: &Url,
        in_url: Option<Login>,
        request: &Request,
    ) -> Result<(response::Parts, Body), RemoteError> {
        let shared = Arc::clone(&self.shared);
        let login = credentials::login(&shared, request, first, &origin, in_url);
        let login = login.as_ref();
        let mut headers = credentials::headers(&shared, request, first, &origin, url, login);
        let mut answered = 0;
        loop {
            if let Some(answer) = digest_login::answer(&shared, &origin, login, url) {
                headers.insert(AUTHORIZATION, answer);
            }
            let (head, body) = self.exchange(&origin, url, &headers).await?;
            let challenged = answered < CHALLENGES
                && head.status == StatusCode::UNAUTHORIZED
                && digest_login::is_challenged(&shared, &origin, login, &head.headers, answered);
            if !challenged {
                return Ok((head, body));
            }
            body.finish(self);
            answered += 1;
        }
    }

    /// One exchange. A connection that was kept may have died in the meantime, and a server that agreed to
    /// nothing may speak HTTP/2 alone: then once more on a new one.
    async fn exchange(
        &mut self,
        origin: &Origin,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<(response::Parts, Body), RemoteError> {
        let (held, made) = match self.take(origin) {
            Some(held) => (held, Made::Before),
            // Apart: seldom needed where there are many files, and large.
            None => Box::pin(self.connect(origin)).await?,
        };
        let sent = self.send(held, url, headers.clone()).await;
        match (made, &sent) {
            (Made::Before, sent) if is_of_the_connection(sent) => {}
            (Made::NowUnagreed, Err(RemoteError::Reset { .. } | RemoteError::Protocol { .. }))
                if matches!(self.shared.h2.hub(origin).speaks(), Speaks::Unknown) =>
            {
                self.shared.h2.hub(origin).set_speaks(Speaks::Http2);
            }
            (Made::NowUnagreed, Ok(_)) => {
                self.shared.h2.hub(origin).set_speaks(Speaks::Http1);
                return sent;
            }
            _ => return sent,
        }
        let (held, _) = Box::pin(self.connect(origin)).await?;
        self.send(held, url, headers.clone()).await
    }

    async fn send(
        &self,
        held: Held,
        url: &Url,
        mut headers: HeaderMap,
    ) -> Result<(response::Parts, Body), RemoteError> {
        let Held { via, line } = held;
        let host = via.origin.to_string();
        match line {
            Line::H1(stream) => {
                // RFC 9112 section 3.2.2: a proxy gets the whole address.
                let from = if via.forward.is_some() {
                    Position::BeforeScheme
                } else {
                    Position::BeforePath
                };
                if let Ok(authority) = HeaderValue::from_str(&via.origin.authority()) {
                    headers.insert(HOST, authority);
                }
                if let Some(Kind::Forward { login: Some(login) }) =
                    via.forward.as_ref().map(|p| &p.kind)
                {
                    headers.insert(PROXY_AUTHORIZATION, login.clone());
                }
                let request = build(&url[from..Position::AfterQuery], headers)?;
                let max_head = self.shared.config.max_head_bytes;
                let answer = h1::exchange(stream, request, max_head, &host).await?;
                if let Some(proxy) = &via.forward
                    && answer.head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED
                {
                    return Err(proxy.refused(&via.origin, 407));
                }
                let rest = match answer.rest {
                    h1::Rest::Raw(raw) => Rest::Raw(raw),
                    h1::Rest::Chunked(chunked) => Rest::Chunked(chunked),
                };
                Ok((answer.head, Body::new(rest, via, self.shared.config.min_rate)))
            }
            Line::H2(link) => {
                let request = build(&url[..Position::AfterQuery], headers)?;
                match link.exchange(request, &host).await {
                    Ok((head, incoming)) => {
                        let rest = Rest::H2(Flow::new(link, incoming));
                        Ok((head, Body::new(rest, via, self.shared.config.min_rate)))
                    }
                    Err(error) => {
                        self.shared.h2.hub(&via.origin).retire(&link);
                        Err(error)
                    }
                }
            }
        }
    }

    /// A connection to `origin` that was kept, here or by a lane before this one, and still lives.
    fn take(&mut self, origin: &Origin) -> Option<Held> {
        let own = self.held.iter().position(|held| held.via.origin == *origin);
        let own = own.map(|at| self.held.swap_remove(at));
        own.and_then(|mut held| held.is_alive().then_some(held))
            .or_else(|| self.shared.idle.take(origin))
    }

    pub(super) fn keep(&mut self, mut held: Held) {
        if let Line::H1(stream) = &mut held.line {
            // The next head is shorter than any mark.
            stream.set_low_water(1, 1);
        }
        self.held.retain(|other| other.via.origin != held.via.origin);
        if self.held.len() >= KEEP {
            self.shared.idle.put(self.held.remove(0));
        }
        self.held.push(held);
    }

    /// A connection to `origin`: a place on an HTTP/2 connection of another lane is taken first.
    async fn connect(&self, origin: &Origin) -> Result<(Held, Made), RemoteError> {
        let config = &self.shared.config;
        if !origin.tls || config.versions == Versions::Http1 {
            return self.dial(origin, Inside::Requests, None).await;
        }
        let hub = self.shared.h2.hub(origin);
        match (hub.speaks(), config.versions, config.prefer) {
            (Speaks::Unknown | Speaks::Http1, Versions::Auto, Prefer::Http1) => {
                match self.dial(origin, Inside::Http1, Some(&hub)).await {
                    Err(error) if may_want_http2(&error, hub.speaks()) => {}
                    dialed => return dialed,
                }
            }
            (Speaks::Http1, ..) => return self.dial(origin, Inside::Requests, Some(&hub)).await,
            (Speaks::Unknown | Speaks::Http2, ..) => {}
        }
        if let Some(link) = hub.ride(config.streams_per_connection) {
            return Ok((riding(origin, link), Made::Before));
        }
        let _turn = timeout(PATIENCE, hub.dialing.lock()).await;
        match hub.ride(config.streams_per_connection) {
            Some(link) => Ok((riding(origin, link), Made::Before)),
            None => self.dial(origin, Inside::Requests, Some(&hub)).await,
        }
    }

    /// A connection of its own. `hub`: where HTTP/2 may be spoken, and what is spoken is remembered.
    async fn dial(
        &self,
        origin: &Origin,
        inside: Inside,
        hub: Option<&Hub>,
    ) -> Result<(Held, Made), RemoteError> {
        let Dialed { stream, agreed, peer, forward } = dial(&self.shared, origin, inside).await?;
        let mut made = Made::Now;
        if let Some(hub) = hub {
            match (agreed, inside) {
                (Agreed::Http2, _) => {
                    hub.set_speaks(Speaks::Http2);
                    let link =
                        Link::open(stream, peer, &self.shared.config, &origin.to_string()).await?;
                    hub.add(&link);
                    return Ok((riding(origin, link), Made::Now));
                }
                (Agreed::Nothing, Inside::Http1) => made = Made::NowUnagreed,
                (Agreed::Http1 | Agreed::Nothing, _) => hub.set_speaks(Speaks::Http1),
            }
        }
        let via = Via { origin: origin.clone(), peer, forward };
        Ok((Held { via, line: Line::H1(stream) }, made))
    }
}

/// Whether what came over a connection that was kept may be its fault, and none of the request: it had been
/// closed, or bytes came that belong to no answer, or the server's farewell for being idle (408).
fn is_of_the_connection(sent: &Result<(response::Parts, Body), RemoteError>) -> bool {
    match sent {
        Err(RemoteError::Reset { .. } | RemoteError::Protocol { .. }) => true,
        Ok((head, _)) => head.status == StatusCode::REQUEST_TIMEOUT,
        Err(_) => false,
    }
}

/// Whether a server that was asked for HTTP/1.1 alone may have failed for that: it says so, or hangs up before it
/// was ever seen to speak it.
fn may_want_http2(error: &RemoteError, speaks: Speaks) -> bool {
    match error {
        RemoteError::Tls { remedy: Some(TlsRemedy::HttpVersion), .. } => true,
        RemoteError::Reset { .. } => matches!(speaks, Speaks::Unknown),
        _ => false,
    }
}

fn riding(origin: &Origin, link: Arc<Link>) -> Held {
    let via = Via { origin: origin.clone(), peer: link.peer(), forward: None };
    Held { via, line: Line::H2(link) }
}

fn build(target: &str, headers: HeaderMap) -> Result<http::Request<NoBody>, RemoteError> {
    let bad = RemoteError::BadUrl { why: "it does not fit into a request" };
    let Ok(uri) = Uri::try_from(target) else { return Err(bad) };
    let mut request = http::Request::new(NoBody::new());
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}
