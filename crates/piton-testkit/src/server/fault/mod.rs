//! What a server does wrong, and when.
//!
//! A [`Fault`] is one or more effects and the requests they are for. The constructors stand in four
//! files: what goes wrong before and in the head (`head`), with ranges and versions (`range`), in
//! the body (`body`), and access that is refused (`access`).

mod access;
mod body;
mod head;
mod range;
mod when;

use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use self::when::When;
use super::delivery::Delivery;
use super::reply::Reply;
use super::request::Request;
use super::resource::Resource;

pub use self::head::RetryAfter;

/// One thing that the server does wrong, for every request unless it is told which.
#[derive(Clone, Debug)]
pub struct Fault {
    when: When,
    effects: Vec<Effect>,
}

/// What is known when a fault is applied.
#[derive(Debug)]
pub struct Context<'a> {
    /// The request, as it came.
    pub request: &'a Request,
    /// The number of the connection it came on, from 1.
    pub connection: usize,
    /// The port that the server listens on.
    pub port: u16,
}

impl Fault {
    /// Changes the request before it is looked at: a server that overlooks something.
    pub fn in_request(change: impl Fn(&mut Request) + Send + Sync + 'static) -> Self {
        Self::of(Effect::Request(Arc::new(change)))
    }

    /// Changes the resource for this request: a server with another version.
    pub fn in_resource(
        change: impl Fn(&mut Resource, &Context<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self::of(Effect::Resource(Arc::new(change)))
    }

    /// Changes the reply before it is sent.
    pub fn in_reply(change: impl Fn(&mut Reply, &Context<'_>) + Send + Sync + 'static) -> Self {
        Self::of(Effect::Reply(Arc::new(change)))
    }

    /// Does what `other` does as well, when this fault's conditions hold; those of `other` are
    /// dropped.
    pub fn and(mut self, other: Self) -> Self {
        self.effects.extend(other.effects);
        self
    }

    /// Only for requests of this path.
    pub fn on(self, path: &str) -> Self {
        let path = path.to_owned();
        self.when(move |context| context.request.path() == path)
    }

    /// Only for this method.
    pub fn method(self, method: &str) -> Self {
        let method = method.to_owned();
        self.when(move |context| context.request.method == method)
    }

    /// Only for requests with a `Range`.
    pub fn ranged(self) -> Self {
        self.when(|context| context.request.headers.contains("range"))
    }

    /// Only for requests with a `Range` that does not begin at the first byte: those of a resume or
    /// a segment.
    pub fn ranged_past_start(self) -> Self {
        self.when(|context| {
            context
                .request
                .headers
                .first("range")
                .is_some_and(|range| !range.starts_with("bytes=0-"))
        })
    }

    /// Only on these connections, counted from 1 in the order of acceptance.
    pub fn connections(self, numbers: impl RangeBounds<usize> + Send + Sync + 'static) -> Self {
        self.when(move |context| numbers.contains(&context.connection))
    }

    /// Only when this holds.
    pub fn when(
        mut self,
        condition: impl Fn(&Context<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.when.and(condition);
        self
    }

    /// Only for these of the requests that meet the other conditions, counted from 1: `turns(2..)`
    /// lets one pass.
    pub fn turns(mut self, turns: impl RangeBounds<u64>) -> Self {
        self.when.turns(turns);
        self
    }

    /// Only for the `n`-th request that meets the other conditions, counted from 1.
    pub fn nth(self, n: u64) -> Self {
        self.turns(n..=n)
    }

    /// Only for the first `n` requests that meet the other conditions.
    pub fn first(self, n: u64) -> Self {
        self.turns(..=n)
    }

    /// Only with this chance (0 to 1), drawn for the n-th request from `seed` and n.
    pub fn chance(mut self, chance: f64, seed: u64) -> Self {
        self.when.chance(chance, seed);
        self
    }

    pub(super) fn holds(&self, context: &Context<'_>) -> bool {
        self.when.holds(context)
    }

    pub(super) fn effects(&self) -> &[Effect] {
        &self.effects
    }

    fn of(effect: Effect) -> Self {
        Self { when: When::always(), effects: vec![effect] }
    }

    fn early(early: Early) -> Self {
        Self::of(Effect::Early(early))
    }

    fn delivery(delivery: Delivery) -> Self {
        Self::of(Effect::Delivery(delivery))
    }
}

type Change<T> = Arc<dyn Fn(&mut T, &Context<'_>) + Send + Sync>;

/// One effect; the stages come in this order.
#[derive(Clone)]
pub(super) enum Effect {
    Early(Early),
    Request(Arc<dyn Fn(&mut Request) + Send + Sync>),
    Resource(Change<Resource>),
    Reply(Change<Reply>),
    Delivery(Delivery),
}

/// What happens before the request is looked at.
#[derive(Clone, Debug)]
pub(super) enum Early {
    Delay(Duration),
    Hang,
    Close,
    Reset,
    Away(Duration),
    Replace(String, Box<Resource>),
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Early(early) => early.fmt(f),
            Self::Delivery(delivery) => delivery.fmt(f),
            Self::Request(_) => f.write_str("Request(..)"),
            Self::Resource(_) => f.write_str("Resource(..)"),
            Self::Reply(_) => f.write_str("Reply(..)"),
        }
    }
}
