use crate::command::Place;

fn stdout(args: &[&str]) -> String {
    let ran = Place::new().piton(args);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
    ran.stdout
}

#[test]
fn version() {
    assert_eq!(stdout(&["--version"]), format!("piton {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn short_help_fits_a_screen() {
    insta::assert_snapshot!(stdout(&["-h"]), @r"
    Crash-safe, resumable downloads

    Usage: piton [OPTIONS] <COMMAND>

    Commands:
      get       Fetch files, going on where an earlier run stopped
      resume    Go on with all that is unfinished
      adopt     Go on with a file that curl, wget, aria2 or a browser began
      retry     Try the failed items of a list again
      failures  Print the items of a list that are not done and why
      status    Show what is unfinished, or how far a list is
      show      Show a journal, record by record
      forget    Give up unfinished downloads or lists, removing their state
      help      Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    piton get URL fetches a file; the same command again goes on where it stopped.
    ");
    insta::assert_snapshot!(stdout(&["get", "-h"]), @r#"
    Fetch files, going on where an earlier run stopped

    Usage: piton get [OPTIONS] [URL]...

    Arguments:
      [URL]...  What to fetch: http:// or https://

    Options:
      -i, --input-file <LIST>  Fetch all files of a list: a file, an address, or "-"
      -h, --help               Print help (see more with '--help')

    Files:
      -o, --output <FILE>    Write to this file (one URL only)
      -d, --directory <DIR>  Write into this folder, which is made if need be [default: .]
          --overwrite        Replace a file that stands there, at the end and at once
          --rename           Leave a file that stands there, and take the next free name
      -N, --only-newer       Fetch only what is newer than the file that stands there
          --restart          Begin again, forgetting what an earlier run fetched
          --mirror <URL>     Another URL of the same file (repeatable; one URL only)
          --dry-run          Only say what would be fetched

    Integrity:
          --checksum <ALG:HEX>  Digest of the file (repeatable; one URL only)

    List:
          --state <FILE>  Keep what happened to each item in this file [default: LIST.piton.db]
      -j, --jobs <N>      Files at once [default: 16]
          --per-host <N>  Files at once from one host [default: 8]
          --tree          Keep host and folders of the address: host/a/b.bin

    Transfer:
      -x, --connections <N|auto>  Connections per file: a number or "auto" [default: auto]
          --limit-rate <RATE>     Bytes a second, over all files together (500k, 10M)
          --retries <N>           Failures in a row that are tolerated [default: 8]

    Login:
          --user <[HOST=]USER:PASSWORD>  Login for a server (repeatable)

    Network:
      -H, --header <NAME: VALUE>  A header of your own (repeatable)
          --proxy <URL>           Proxy: http://, https://, socks5:// or socks5h:// (names are resolved
                                  by the proxy)

    Output:
      -q, --quiet  Say nothing but errors
          --json   One JSON object per line on stdout, for programs

    See --help for logins, proxies, TLS and the rest, with examples.
    "#);
    for command in ["get", "resume", "adopt", "retry", "failures", "status", "show", "forget"] {
        let help = stdout(&[command, "-h"]);
        assert!(help.lines().count() <= 48, "{command}: {} lines", help.lines().count());
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}

#[test]
fn long_help_has_everything() {
    let help = stdout(&["get", "--help"]);
    for text in
        ["Examples:", "--ca-file", "--if-changed", "[possible values: power, process, none]"]
    {
        assert!(help.contains(text), "{text}");
    }
    let help = stdout(&["--help"]);
    for text in ["piton completions SHELL", "Exit codes:", "143  terminated"] {
        assert!(help.contains(text), "{text}");
    }
}
