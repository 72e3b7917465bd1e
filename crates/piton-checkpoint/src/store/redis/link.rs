//! A connection to the server, with time limits. A lost one is opened again, once; so whatever is sent may be executed
//! twice, and must do no more then.

use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::{
    Client, Cmd, Connection, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, RedisResult,
};

use super::place::{Address, RedisPlace};
use crate::store::StoreError;

/// To connect and to log in.
const CONNECT: Duration = Duration::from_secs(5);
/// For the answer to a command.
const ANSWER: Duration = Duration::from_secs(10);
/// For the server to sync its log: less than for the answer.
pub(super) const WAIT: Duration = Duration::from_secs(5);

pub(super) struct Link {
    place: RedisPlace,
    connection: Option<Connection>,
}

/// Why a command has no result.
pub(super) enum NoAnswer {
    /// The connection broke, or the server did not answer in time.
    Lost(RedisError),
    /// The server answered with an error.
    Refused(RedisError),
}

impl Link {
    /// Connects when there is something to send.
    pub(super) fn new(place: RedisPlace) -> Self {
        Self { place, connection: None }
    }

    /// Sends a command that does no more if it is executed twice; `Err` is every way in which it was not, for which the
    /// server may have executed it nevertheless.
    pub(super) fn call<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, StoreError> {
        self.ask(command).map_err(|error| self.error(&error))
    }

    /// As [`Link::call`]; `None`: the server refused it, whatever the reason.
    pub(super) fn try_call<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
    ) -> Result<Option<T>, StoreError> {
        match self.ask(command) {
            Err(NoAnswer::Refused(_)) => Ok(None),
            Err(error) => Err(self.error(&error)),
            Ok(answer) => Ok(Some(answer)),
        }
    }

    fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, NoAnswer> {
        match self.ask_once(command) {
            Err(NoAnswer::Lost(_)) => self.ask_once(command),
            result => result,
        }
    }

    fn ask_once<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, NoAnswer> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.place).map_err(NoAnswer::of)?,
        };
        let connection = self.connection.insert(connection);
        let result = command.query::<T>(connection).map_err(NoAnswer::of);
        if matches!(result, Err(NoAnswer::Lost(_))) {
            // The answer may still come, and would be taken for that of the next command.
            self.connection = None;
        }
        result
    }

    fn error(&self, error: &NoAnswer) -> StoreError {
        let place = self.place.to_string();
        let error = match error {
            NoAnswer::Lost(error) => {
                return StoreError::Unreachable { place, why: error.to_string() };
            }
            NoAnswer::Refused(error) => error,
        };
        let why = error.to_string();
        match error.code().unwrap_or_default() {
            // It is starting, or fails over.
            "LOADING" | "BUSY" | "TRYAGAIN" | "CLUSTERDOWN" | "MASTERDOWN" => {
                StoreError::Unreachable { place, why }
            }
            "OOM" => StoreError::Full { place },
            "READONLY" => StoreError::ReadOnly { place },
            "WRONGTYPE" => StoreError::Foreign { place },
            _ => StoreError::Rejected { place, why },
        }
    }
}

impl NoAnswer {
    fn of(error: RedisError) -> Self {
        use redis::ErrorKind as K;
        match error.kind() {
            K::Io | K::Parse | K::Client => Self::Lost(error),
            _ => Self::Refused(error),
        }
    }
}

fn connect(place: &RedisPlace) -> RedisResult<Connection> {
    let address = match &place.address {
        Address::Tcp { host, port } => ConnectionAddr::Tcp(host.clone(), *port),
        Address::Unix(path) => ConnectionAddr::Unix(path.clone()),
    };
    let mut settings =
        RedisConnectionInfo::default().set_db(i64::from(place.database)).set_skip_set_lib_name();
    if let Some(login) = &place.login {
        settings = settings.set_password(&login.password);
        if let Some(user) = &login.user {
            settings = settings.set_username(user);
        }
    }
    let info = address
        .into_connection_info()?
        .set_redis_settings(settings)
        .set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let connection = Client::open(info)?.get_connection_with_timeout(CONNECT)?;
    connection.set_read_timeout(Some(ANSWER))?;
    connection.set_write_timeout(Some(ANSWER))?;
    Ok(connection)
}
