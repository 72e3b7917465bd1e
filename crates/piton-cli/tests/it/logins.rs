//! Whose logins: nothing that somebody else wrote sends one to a server that the command line does not name.

use piton_testkit::server::{Fault, Resource, Server, Site};

use crate::command::{Place, Ran};

const LEN: u64 = 4096;
/// Each is a login, and has to say so where a list or a journal names the servers.
const LOGINS: [&[&str]; 4] = [
    &["--user", "ann:secret"],
    &["--bearer", "secret"],
    &["-H", "Cookie: secret"],
    &["-H", "PRIVATE-TOKEN: secret"],
];

/// Two servers, each with the files `/a` and `/b`, and a folder.
struct Field {
    mine: Server,
    theirs: Server,
    place: Place,
}

impl Field {
    fn new() -> Self {
        let start = || {
            let site = ["/a", "/b"].into_iter().fold(Site::new(), |site, path| {
                site.with(path, Resource::pattern(1, LEN).etag("\"1\""))
            });
            Server::start(site)
        };
        Self { mine: start(), theirs: start(), place: Place::new() }
    }

    fn piton(&self, args: &[&str], more: &[&str]) -> Ran {
        self.place.piton(&[&["--config", "none"], args, more].concat())
    }

    /// A list with a file of each.
    fn both(&self) -> String {
        format!("{}\n{}\n", self.mine.url("/a"), self.theirs.url("/b"))
    }

    /// `HOST=` in front of what these options give.
    fn for_mine(&self, option: &[&str]) -> Vec<String> {
        let [name, value] = option else { panic!() };
        vec![(*name).to_owned(), format!("{}={value}", self.mine.url(""))]
    }
}

/// How many requests came with a login, and how many came.
fn told(server: &Server) -> (usize, usize) {
    let requests = server.stats().requests;
    let names = ["authorization", "cookie", "private-token"];
    let with = requests.iter().filter(|one| names.iter().any(|name| one.headers.contains(name)));
    (with.count(), requests.len())
}

#[test]
fn a_list_of_several_servers_and_a_login_for_none_are_refused() {
    for login in LOGINS {
        let field = Field::new();
        field.place.write("list.txt", field.both().as_bytes());
        let ran = field.piton(&["get", "-i", "list.txt"], login);
        assert_eq!(ran.code, 2, "{login:?}: {}", ran.stderr);
        let said = "does not name its server: the list names http://127.0.0.1:";
        assert!(ran.stderr.contains(said) && ran.stderr.contains("HOST="), "{}", ran.stderr);
        assert!(!ran.stderr.contains("secret"), "{}", ran.stderr);
        assert_eq!((told(&field.mine), told(&field.theirs)), ((0, 0), (0, 0)));
        assert!(!field.place.path("list.txt.piton.db").exists());
        let login = field.for_mine(login);
        let login: Vec<_> = login.iter().map(String::as_str).collect();
        let ran = field.piton(&["get", "-i", "list.txt"], &login);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!((told(&field.mine), told(&field.theirs)), ((1, 1), (0, 1)), "{login:?}");
    }
}

#[test]
fn a_list_of_one_server_is_told_and_that_is_said() {
    let field = Field::new();
    let list = format!("{}\n{}\n", field.mine.url("/a"), field.mine.url("/b"));
    field.place.write("list.txt", list.as_bytes());
    let ran = field.piton(&["get", "-i", "list.txt"], LOGINS[0]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let said = format!("piton: sending the login to {}, the only server", field.mine.url(""));
    assert!(ran.stderr.contains(&said), "{}", ran.stderr);
    assert_eq!(told(&field.mine), (2, 2));
}

/// Standard input is read to its end before anybody is asked.
#[test]
fn a_piped_list_is_looked_at_as_well() {
    use std::io::Write;
    let field = Field::new();
    let args = ["--config", "none", "get", "-i", "-", "--user", "ann:secret"];
    let mut command = field.place.command(&args);
    command.stdin(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut piton = command.spawn().unwrap();
    piton.stdin.take().unwrap().write_all(field.both().as_bytes()).unwrap();
    let ran = Ran::from(piton.wait_with_output().unwrap());
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert_eq!((told(&field.mine), told(&field.theirs)), ((0, 0), (0, 0)));
}

#[test]
fn the_login_for_a_list_is_not_one_for_its_items() {
    for login in LOGINS {
        let field = Field::new();
        field.mine.replace("/list.txt", Resource::bytes(field.both().into_bytes()));
        let ran = field.piton(&["get", "-i", &field.mine.url("/list.txt")], login);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!((told(&field.mine), told(&field.theirs)), ((2, 2), (0, 1)), "{login:?}");
    }
}

/// Lists of digests, mirrors and redirects are at servers of others.
#[test]
fn what_a_url_leads_to_is_not_told() {
    for login in LOGINS {
        let field = Field::new();
        let sums = format!("{}  a\n", Resource::pattern(1, LEN).sha256());
        field.theirs.replace("/SHA256SUMS", Resource::bytes(sums.into_bytes()));
        let (url, sums) = (field.mine.url("/a"), field.theirs.url("/SHA256SUMS"));
        let ran = field.piton(&["get", &url, "--checksum-file", &sums], login);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!((told(&field.mine), told(&field.theirs)), ((1, 1), (0, 1)), "{login:?}");

        field.mine.add_fault(Fault::status(404).on("/b"));
        let (url, mirror) = (field.mine.url("/b"), field.theirs.url("/b"));
        let ran = field.piton(&["get", &url, "--mirror", &mirror], login);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(told(&field.theirs), (0, 2), "{login:?}");

        let target = field.theirs.url("/a").replace("http://", "http://ann:secret@");
        field.mine.add_fault(Fault::redirect(302, &target).on("/moved"));
        let ran = field.piton(&["get", &field.mine.url("/moved"), "-o", "c"], login);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(told(&field.theirs), (0, 3), "{login:?}");
    }
}

#[test]
fn a_journal_gets_no_login() {
    for login in LOGINS {
        let field = Field::new();
        field.theirs.replace("/big", Resource::pattern(2, 8 << 20).etag("\"2\""));
        field.theirs.add_fault(Fault::cut_connection_after(3 << 20).on("/big").first(1));
        let ran = field.piton(&["get", &field.theirs.url("/big"), "--retries", "0"], &[]);
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        let before = told(&field.theirs).1;
        let ran = field.piton(&["resume"], login);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        let said = "does not name its server: the journals here decide which";
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        assert_eq!(told(&field.theirs), (0, before));
        let login = field.for_mine(login);
        let login: Vec<_> = login.iter().map(String::as_str).collect();
        let ran = field.piton(&["resume"], &login);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let (with, requests) = told(&field.theirs);
        assert!(with == 0 && requests > before, "{with} of {requests}");
    }
}

/// What stands in a list later, and what one server is told, is not told to another.
#[test]
fn an_item_that_comes_later_gets_no_login() {
    let field = Field::new();
    field.place.write("list.txt", format!("{}\n", field.mine.url("/a")).as_bytes());
    let add = format!("sh -c \"echo {} >>list.txt\"", field.theirs.url("/b"));
    let ran = field.piton(&["get", "-i", "list.txt", "--on-done", &add], LOGINS[0]);
    assert_eq!(told(&field.mine), (1, 1), "{}", ran.stderr);
    let ran = field.piton(&["get", "-i", "list.txt"], LOGINS[0]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert_eq!(told(&field.theirs).0, 0);
}

#[test]
fn netrc_is_for_https_unless_asked() {
    let field = Field::new();
    field.place.write(".netrc", b"machine 127.0.0.1 login ann password secret\n");
    let url = field.mine.url("/a");
    assert_eq!(field.piton(&["get", "--netrc", &url], &[]).code, 0);
    assert_eq!(told(&field.mine), (0, 1));
    let ran = field.piton(&["get", "--netrc", "--netrc-http", "-o", "b", &url], &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(told(&field.mine), (1, 2));
}

#[test]
fn with_public_only_others_lead_to_no_private_server() {
    let field = Field::new();
    field.mine.add_fault(Fault::redirect(302, &field.theirs.url("/a")).on("/moved"));
    field.mine.replace("/list.txt", Resource::bytes(field.both().into_bytes()));
    field.place.write("local.txt", field.both().as_bytes());
    let said = "which is not a public internet address";
    // Named by the user, as a list or a file; and what that leads to.
    let ran = field.piton(&["get", "--public-only", &field.mine.url("/a")], &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let ran =
        field.piton(&["get", "--public-only", "--tree", "-i", &field.mine.url("/list.txt")], &[]);
    assert!(ran.code == 13 && ran.stderr.contains(said), "{}", ran.stderr);
    assert_eq!((told(&field.mine).1, told(&field.theirs).1), (3, 0));
    for args in [&["get", &field.mine.url("/moved")][..], &["get", "-i", "local.txt", "-d", "d"]] {
        let ran = field.piton(args, &["--public-only"]);
        assert!([12, 13].contains(&ran.code) && ran.stderr.contains(said), "{}", ran.stderr);
        assert_eq!(told(&field.theirs).1, 0);
    }
    assert_eq!(told(&field.mine).1, 4, "the redirect alone");
    // A name that leads here, whatever it is called.
    let named = field.theirs.url("/a").replace("127.0.0.1", "localhost");
    field.place.write("named.txt", named.as_bytes());
    let ran = field.piton(&["get", "-i", "named.txt", "--public-only"], &[]);
    assert!(ran.code == 13 && ran.stderr.contains(said), "{}", ran.stderr);
    let ran = field.piton(&["retry", "named.txt"], &[]);
    assert_eq!((ran.code, told(&field.theirs).1), (0, 1), "{}", ran.stderr);
}
