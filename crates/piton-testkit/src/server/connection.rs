//! One connection, from accept to its end.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::thread::JoinHandle;

use super::fault::{Context, Early, Effect, Fault};
use super::pace::Pace;
use super::reply::Reply;
use super::request::{Inbox, Request};
use super::send::{Next, Sender};
use super::shared::Shared;
use super::site::Excess;
use super::wire::{Sock, Wire};

/// A thread that serves one connection until it ends.
pub(super) fn spawn(
    shared: Arc<Shared>,
    sock: Sock,
    number: usize,
    excess: Option<Excess>,
) -> JoinHandle<()> {
    shared.open.lock().unwrap().insert(number, sock.clone());
    let counted = excess.is_none();
    if counted {
        shared.log.opened();
    } else {
        shared.log.refused();
    }
    let place = Place { shared, number, counted };
    std::thread::spawn(move || serve(&place, sock, excess))
}

/// A place among the open connections, given back even when a hook of a test panics.
struct Place {
    shared: Arc<Shared>,
    number: usize,
    counted: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.open.lock().unwrap().remove(&self.number);
        if self.counted {
            self.shared.log.closed();
        }
    }
}

fn serve(place: &Place, sock: Sock, excess: Option<Excess>) {
    let handle = sock.clone();
    let Ok(mut wire) = Wire::new(sock, place.shared.tls.as_ref()) else { return };
    let next = match excess {
        None => Connection::new(&place.shared, &mut wire, place.number).run(),
        Some(Excess::Unavailable) => turn_away(&mut wire, 503),
        Some(Excess::Forbidden) => turn_away(&mut wire, 403),
        Some(Excess::Reset) => Ok(Next::Reset),
        Some(Excess::Hang) => Ok(Next::Stall),
    };
    match next {
        Ok(Next::Finish | Next::Request) => wire.finish(),
        Ok(Next::Cut) => wire.cut(),
        Ok(Next::Reset) => handle.reset_on_close(),
        Ok(Next::Stall) => wire.wait_for_end(),
        // The client hung up, or the server stops.
        Err(_) => {}
    }
}

fn turn_away(wire: &mut Wire, status: u16) -> io::Result<Next> {
    if Inbox::default().next(wire)?.is_none() {
        return Ok(Next::Finish);
    }
    let mut reply = Reply::text(status, "too many connections\n");
    reply.headers.set("Connection", "close");
    let mut bytes = reply.head();
    let mut body = vec![0; reply.payload.len() as usize];
    reply.payload.read_at(0, &mut body);
    bytes.extend(body);
    wire.write_all(&bytes)?;
    wire.flush()?;
    Ok(Next::Finish)
}

struct Connection<'a> {
    shared: &'a Shared,
    wire: &'a mut Wire,
    number: usize,
    inbox: Inbox,
    pace: Option<Pace>,
    sent: u64,
}

impl<'a> Connection<'a> {
    fn new(shared: &'a Shared, wire: &'a mut Wire, number: usize) -> Self {
        let pace = shared.site.lock().unwrap().connection_rate.map(Pace::new);
        Self { shared, wire, number, inbox: Inbox::default(), pace, sent: 0 }
    }

    fn run(mut self) -> io::Result<Next> {
        while let Some(request) = self.inbox.next(self.wire)? {
            let next = self.answer(&request)?;
            if next != Next::Request {
                return Ok(next);
            }
            if !request.keep_alive() {
                return Ok(Next::Finish);
            }
        }
        Ok(Next::Finish)
    }

    fn answer(&mut self, request: &Request) -> io::Result<Next> {
        let entry = self.shared.log.request(request, self.number);
        let context = Context { request, connection: self.number, port: self.shared.addr.port() };
        let effects = self.effects(&context);
        for effect in &effects {
            if let Effect::Early(early) = effect
                && let Some(next) = self.early(early)?
            {
                return Ok(next);
            }
        }
        let mut reply = self.reply(&context, &effects);
        if !request.keep_alive() {
            reply.headers.set("Connection", "close");
        }
        let deliveries = effects
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Delivery(delivery) => Some(delivery),
                _ => None,
            })
            .collect();
        let sender = Sender {
            shared: self.shared,
            wire: self.wire,
            pace: self.pace.as_ref(),
            on_connection: &mut self.sent,
            entry: &entry,
            reply: &reply,
            deliveries,
        };
        sender.send(request.method == "HEAD" || reply.status == 304)
    }

    /// The effects of every fault that is for this request.
    fn effects(&self, context: &Context<'_>) -> Vec<Effect> {
        let faults: Vec<Fault> = self.shared.site.lock().unwrap().faults.clone();
        faults
            .iter()
            .filter(|fault| fault.holds(context))
            .flat_map(|fault| fault.effects().to_vec())
            .collect()
    }

    fn early(&mut self, early: &Early) -> io::Result<Option<Next>> {
        match early {
            Early::Delay(time) => self.shared.halt.sleep(*time)?,
            Early::Replace(path, resource) => self.shared.replace(path, (**resource).clone()),
            Early::Hang => return Ok(Some(Next::Stall)),
            Early::Close => return Ok(Some(Next::Cut)),
            Early::Reset => return Ok(Some(Next::Reset)),
            Early::Away(time) => {
                self.shared.away(*time);
                return Ok(Some(Next::Reset));
            }
        }
        Ok(None)
    }

    fn reply(&self, context: &Context<'_>, effects: &[Effect]) -> Reply {
        let mut asked = context.request.clone();
        for effect in effects {
            if let Effect::Request(change) = effect {
                change(&mut asked);
            }
        }
        let mut reply = self.shared.site.lock().unwrap().reply(&asked, context, |resource| {
            for effect in effects {
                if let Effect::Resource(change) = effect {
                    change(resource, context);
                }
            }
        });
        for effect in effects {
            if let Effect::Reply(change) = effect {
                change(&mut reply, context);
            }
        }
        reply
    }
}
