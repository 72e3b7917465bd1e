//! The address of a Redis server.

use percent_encoding::percent_decode_str;
use url::Url;

use super::{SpecError, check_job};
use crate::store::redis::{Address, Login, RedisPlace};

const PORT: u16 = 6379;
/// The usual reason.
const NOT_A_URL: &str =
    "not a URL; in a password, other characters than letters and digits are written as %XX";
/// Servers are configured with 16 databases; more than this is a slip.
const DATABASES: u32 = 1 << 16;

/// `//[USER:PASSWORD@]HOST[:PORT][/DB]?job=NAME`, what follows `redis:`.
pub(super) fn url(rest: &str) -> Result<RedisPlace, SpecError> {
    if !rest.starts_with("//") {
        return Err(SpecError::Form);
    }
    // The errors of the parser do not say what it was given.
    let url = Url::parse(&format!("redis:{rest}")).map_err(|_| SpecError::Server(NOT_A_URL))?;
    if url.fragment().is_some() {
        return Err(SpecError::Server("nothing may follow a #"));
    }
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = decoded(host.ok_or(SpecError::Server("it has no host"))?)?;
    // The system resolves it without brackets.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let address = Address::Tcp { host, port: url.port().unwrap_or(PORT) };
    let path = url.path().trim_start_matches('/');
    let database = if path.is_empty() { 0 } else { database(path)? };
    let login = login(&decoded(url.username())?, url.password().map(decoded).transpose()?)?;
    let mut job = None;
    for (name, value) in options(url.query().unwrap_or_default())? {
        match name {
            "job" => set(&mut job, value)?,
            _ => return Err(SpecError::Server("only ?job=NAME may follow it")),
        }
    }
    place(address, database, login, job)
}

/// `SOCKET?job=NAME[&db=N][&user=USER][&password=PASSWORD]`, what follows `unix:`.
pub(super) fn socket(rest: &str) -> Result<RedisPlace, SpecError> {
    let (path, query) = rest.rsplit_once('?').ok_or(SpecError::JobName)?;
    let address = Address::Unix(super::path(path.strip_prefix("//").unwrap_or(path))?);
    let (mut job, mut db, mut user, mut password) = (None, None, None, None);
    for (name, value) in options(query)? {
        match name {
            "job" => set(&mut job, value)?,
            "db" => set(&mut db, value)?,
            "user" => set(&mut user, value)?,
            "password" => set(&mut password, value)?,
            _ => return Err(SpecError::Server("it has an option that is unknown")),
        }
    }
    let database = db.as_deref().map_or(Ok(0), database)?;
    place(address, database, login(&user.unwrap_or_default(), password)?, job)
}

fn place(
    address: Address,
    database: u32,
    login: Option<Login>,
    job: Option<String>,
) -> Result<RedisPlace, SpecError> {
    let job = job.ok_or(SpecError::JobName)?;
    check_job(&job)?;
    Ok(RedisPlace { address, database, login, job })
}

fn database(text: &str) -> Result<u32, SpecError> {
    let number = text.parse().ok().filter(|number| *number < DATABASES);
    number.ok_or(SpecError::Server("its database is not a small number"))
}

fn login(user: &str, password: Option<String>) -> Result<Option<Login>, SpecError> {
    let user = (!user.is_empty()).then(|| user.to_owned());
    match (user, password) {
        (Some(_), None) => Err(SpecError::Server("a user needs a password")),
        (user, password) => Ok(password.map(|password| Login { user, password })),
    }
}

fn options(query: &str) -> Result<Vec<(&str, String)>, SpecError> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.map(|(name, value)| Ok((name, decoded(value)?))).collect()
}

fn set(option: &mut Option<String>, value: String) -> Result<(), SpecError> {
    match option.replace(value) {
        None => Ok(()),
        Some(_) => Err(SpecError::Server("it has an option twice")),
    }
}

fn decoded(text: &str) -> Result<String, SpecError> {
    let text = percent_decode_str(text).decode_utf8();
    let text = text.map_err(|_| SpecError::Server("it is not UTF-8"))?;
    match text.contains('\0') {
        true => Err(SpecError::Server("it has a NUL")),
        false => Ok(text.into_owned()),
    }
}
