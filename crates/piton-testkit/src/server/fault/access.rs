//! Access that is refused without a login.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Fault;
use crate::server::reply::Reply;

impl Fault {
    /// 401 without this name and password (RFC 7617).
    pub fn requires_basic(user: &str, password: &str) -> Self {
        let expected = format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
        Self::requires_authorization(expected, "Basic realm=\"piton\"")
    }

    /// 401 without this token (RFC 6750).
    pub fn requires_bearer(token: &str) -> Self {
        Self::requires_authorization(format!("Bearer {token}"), "Bearer")
    }

    /// 403 without this cookie.
    pub fn requires_cookie(name: &str, value: &str) -> Self {
        let expected = format!("{name}={value}");
        Self::in_reply(move |reply, context| {
            let cookies = context.request.headers.all("cookie");
            if !cookies.iter().flat_map(|field| field.split("; ")).any(|cookie| cookie == expected)
            {
                *reply = Reply::text(403, "no such cookie\n");
            }
        })
    }

    fn requires_authorization(expected: String, challenge: &'static str) -> Self {
        Self::in_reply(move |reply, context| {
            if context.request.headers.first("authorization") != Some(&expected) {
                *reply = Reply::text(401, "who are you?\n");
                reply.headers.set("WWW-Authenticate", challenge);
            }
        })
    }
}
