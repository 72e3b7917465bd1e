//! The HTTP transport: framing, connections, redirects, credentials, TLS, proxies.

mod authority;
mod connections;
mod credentials;
pub(crate) mod daemon;
mod framing;
mod hostile;
mod http2;
mod proxies;
mod redirects;
mod scripted;
mod tls;

use piton_remote::http::{Body, Config, Credentials, Lane, Login, Request, Response, Transport};
use piton_remote::{Origin, RemoteError};
use url::Url;

fn lane(change: impl FnOnce(&mut Config)) -> Lane {
    let mut config = Config::default();
    change(&mut config);
    Transport::new(config).unwrap().lane()
}

/// A login for the origins of these URLs.
fn login(login: Login, urls: &[&str]) -> Vec<Credentials> {
    vec![Credentials { login: Some(login), ..credentials(urls) }]
}

/// Nothing yet, for the origins of these URLs.
fn credentials(urls: &[&str]) -> Credentials {
    let origin = |url: &&str| Origin::of(&Url::parse(url).unwrap()).unwrap();
    Credentials { origins: urls.iter().map(origin).collect(), ..Credentials::default() }
}

fn request(url: &str) -> Request {
    Request::new(Url::parse(url).unwrap())
}

async fn read_all(body: &mut Body) -> Result<Vec<u8>, RemoteError> {
    let mut all = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match body.read(&mut piece).await? {
            0 => return Ok(all),
            n => all.extend_from_slice(&piece[..n]),
        }
    }
}

/// A whole exchange: the answer's head is lost, its connection is kept.
async fn fetch(lane: &mut Lane, url: &str) -> Result<Vec<u8>, RemoteError> {
    let mut response = lane.get(&request(url)).await?;
    let all = read_all(&mut response.body).await?;
    response.body.finish(lane);
    Ok(all)
}

/// A whole exchange whose body does not matter.
async fn head(lane: &mut Lane, request: &Request) -> Result<Response, RemoteError> {
    let mut response = lane.get(request).await?;
    read_all(&mut response.body).await?;
    Ok(response)
}
