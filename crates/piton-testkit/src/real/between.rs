//! Something between a client and a server that loses what it is told to lose.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A relay of TCP connections to a server. It looks at each request for a word, and then does something else.
#[derive(Debug)]
pub struct Between {
    addr: SocketAddr,
    rules: Rules,
}

/// What happens to a request that has a word in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The server gets it, and its answer is lost with the connection. Once.
    LoseAnswer(&'static str),
    /// The server gets it, and its answer is lost with the connection. Each time.
    LoseEachAnswer(&'static str),
    /// The connection breaks before the server gets it. Once.
    LoseRequest(&'static str),
    /// It is answered here, with these bytes.
    Answer(&'static str, &'static str),
    /// It is never answered, and the server does not get it.
    Stall(&'static str),
}

type Rules = Arc<Mutex<Vec<Rule>>>;

impl Between {
    /// Relays to this server, for as long as the test runs.
    ///
    /// # Panics
    ///
    /// When there is no port.
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("the address of a listener");
        let rules = Rules::default();
        let shared = Arc::clone(&rules);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let rules = Arc::clone(&shared);
                std::thread::spawn(move || relay(client, server, &rules));
            }
        });
        Self { addr, rules }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on this happens too.
    pub fn add(&self, rule: Rule) {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    }

    /// From now on this happens, and nothing else.
    pub fn replace(&self, rule: Rule) {
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = vec![rule];
    }

    /// The rules that still wait for their request.
    pub fn left(&self) -> Vec<Rule> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn relay(mut client: TcpStream, server: SocketAddr, rules: &Rules) {
    let Ok(mut server) = TcpStream::connect(server) else { return };
    let (Ok(mut answers), Ok(mut to)) = (server.try_clone(), client.try_clone()) else { return };
    let deaf = Arc::new(Mutex::new(false));
    let hears = Arc::clone(&deaf);
    let back = std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(len @ 1..) = answers.read(&mut buffer) {
            if *hears.lock().unwrap_or_else(PoisonError::into_inner) {
                break;
            }
            if to.write_all(&buffer[..len]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = answers.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; 2 << 20];
    while let Ok(len @ 1..) = client.read(&mut buffer) {
        let request = &buffer[..len];
        match matching(rules, request) {
            None => {}
            Some(Rule::LoseAnswer(_) | Rule::LoseEachAnswer(_)) => {
                *deaf.lock().unwrap_or_else(PoisonError::into_inner) = true;
            }
            Some(Rule::LoseRequest(_)) => break,
            Some(Rule::Stall(_)) => continue,
            Some(Rule::Answer(_, answer)) => {
                if client.write_all(answer.as_bytes()).is_err() {
                    break;
                }
                continue;
            }
        }
        if server.write_all(request).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
    let _ = back.join();
}

/// The first rule for this request; one that holds once is gone then.
fn matching(rules: &Rules, request: &[u8]) -> Option<Rule> {
    let mut rules = rules.lock().unwrap_or_else(PoisonError::into_inner);
    let has = |word: &str| request.windows(word.len()).any(|part| part == word.as_bytes());
    let at = rules.iter().position(|rule| match rule {
        Rule::LoseAnswer(word)
        | Rule::LoseEachAnswer(word)
        | Rule::LoseRequest(word)
        | Rule::Answer(word, _)
        | Rule::Stall(word) => has(word),
    })?;
    match rules.get(at)? {
        Rule::LoseAnswer(_) | Rule::LoseRequest(_) => Some(rules.remove(at)),
        rule => Some(rule.clone()),
    }
}
