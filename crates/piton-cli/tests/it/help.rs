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
      get       Fetch files, resuming where an earlier run stopped
      resume    Resume unfinished downloads
      adopt     Continue a file that curl, wget, aria2 or a browser started
      retry     Try the failed items of a list, or the dead letters of a job, again
      failures  Print the failed items of a list, as a list, or the records of dead letters
      lines     Process a file of records with a command, and resume exactly where it stopped
      each      Run a command once for each record of a file, and resume exactly where it stopped
      status    Show unfinished downloads and jobs, or the progress of a list
      show      Show the journal of a download or a job, record by record
      forget    Give up unfinished downloads, lists or jobs and remove their state
      help      Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    piton get URL fetches a file; run the same command again to resume it.
    ");
    insta::assert_snapshot!(stdout(&["get", "-h"]), @r#"
    Fetch files, resuming where an earlier run stopped

    Usage: piton get [OPTIONS] [URL]...

    Arguments:
      [URL]...  URLs to fetch: http://, https:// or file://

    Options:
      -i, --input-file <LIST>  Fetch all files of a list: a file, a URL, or "-"
      -h, --help               Print help (see more with '--help')

    Files:
      -o, --output <FILE>    Write to this file (one URL only)
      -d, --directory <DIR>  Write into this folder, created if missing [default: .]
          --overwrite        Replace an existing file, atomically at the end
          --rename           Keep an existing file, and use the next free name
      -N, --only-newer       Fetch only if the source is newer than the existing file
          --restart          Start over, and discard what an earlier run fetched
          --mirror <URL>     Another URL of the same file (repeatable; one URL only)
          --dry-run          Only print what would be fetched

    Integrity:
          --checksum <ALG:HEX>  Digest of the file (repeatable; one URL only)

    List:
          --state <FILE>  Record the outcome of each item in this file [default: LIST.piton.db]
      -j, --jobs <N>      Files to fetch in parallel [default: 16]
          --per-host <N>  Files to fetch in parallel from one host [default: 8]
          --tree          Keep the host and folders of the URL: host/a/b.bin

    Transfer:
      -x, --connections <N|auto>  Connections per file: a number or "auto" [default: auto]
          --limit-rate <RATE>     Limit the bytes per second, for all files together (500k, 10M)
          --retries <N>           Failures in a row to tolerate [default: 8]

    Login:
          --user <[HOST=]USER:PASSWORD>  Login for a server (repeatable)

    Network:
      -H, --header <NAME: VALUE>  Extra header to send (repeatable)
          --proxy <URL>           Proxy: http://, https://, socks5:// or socks5h:// (the proxy resolves
                                  names)

    Output:
      -q, --quiet  Print only errors
          --json   Print one JSON object per line on stdout, for programs

    See --help for all options (logins, proxies, TLS, ...) and examples.
    "#);
    for command in
        ["get", "resume", "adopt", "retry", "failures", "lines", "each", "status", "show", "forget"]
    {
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
