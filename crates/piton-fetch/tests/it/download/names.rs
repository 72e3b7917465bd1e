//! What a file is called: never what leaves the folder, hides, or is taken for state of piton.

use super::*;

#[test]
fn names_that_servers_propose() {
    for (said, name) in [
        ("attachment; filename=a.iso", "a.iso"),
        ("attachment; filename=\"a b.iso\"", "a b.iso"),
        ("attachment; filename=\"../../etc/passwd\"", "passwd"),
        ("attachment; filename=\"/etc/passwd\"", "passwd"),
        ("attachment; filename=\"C:\\\\Windows\\\\x.exe\"", "x.exe"),
        ("attachment; filename=\".bashrc\"", "bashrc"),
        ("attachment; filename=\"..\"", "f"),
        ("attachment; filename=\"\"", "f"),
        ("attachment", "f"),
        ("rubbish;;;===", "f"),
        ("attachment; filename=\"-rf\"", "_-rf"),
        ("attachment; filename=\"CON\"", "_CON"),
        ("attachment; filename=x.piton", "x_piton"),
        ("attachment; filename=x.part", "x_part"),
        ("attachment; filename=\"e.txt\"; filename*=UTF-8''%e2%82%ac.txt", "€.txt"),
        ("attachment; filename*=UTF-8''..%2F..%2Fx.sh", "x.sh"),
        ("attachment; filename*=UTF-8''%00%01", "f"),
        ("attachment; filename*=UTF-8''a%0a%1b%5b2Jb", "a[2Jb"),
    ] {
        let resource = Resource::pattern(1, 3000).content_disposition(said);
        let desk = Desk::with(resource, Fault::no_accept_ranges());
        desk.get(desk.what("/f")).unwrap_or_else(|error| panic!("{said}: {error}"));
        assert_eq!(desk.files(), [name], "{said}");
        desk.assert_only(name, 1, 3000);
    }
}

#[test]
fn a_name_without_end_is_cut_and_keeps_its_ending() {
    let said = format!("attachment; filename=\"{}.tar.gz\"", "n".repeat(4000));
    let resource = Resource::pattern(1, 3000).content_disposition(&said);
    let desk = Desk::with(resource, Fault::no_accept_ranges());
    desk.get(desk.what("/f")).unwrap();
    let files = desk.files();
    assert!(files[0].len() < 256 && files[0].ends_with(".tar.gz"), "{files:?}");
}

#[test]
fn names_of_addresses() {
    for (path, name) in [
        ("/", "index.html"),
        ("/a/", "index.html"),
        ("/a%20b.txt", "a b.txt"),
        ("/%2e%2e%2fx", "x"),
        ("/..%2f..%2f", "download"),
        ("/x.piton", "x_piton"),
        ("/f.bin?token=../../y", "f.bin"),
    ] {
        let served = path.split('?').next().unwrap();
        let desk = Desk::new(Site::new().with(served, Resource::pattern(1, 3000)));
        desk.get(desk.what(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        desk.assert_only(name, 1, 3000);
    }
}

/// The name is known only from the answer, in the second run as in the first.
#[test]
fn a_resume_under_a_name_that_the_server_gives() {
    let resource = Resource::pattern(1, 4 * MIB)
        .etag("\"a\"")
        .content_disposition("attachment; filename=real.bin");
    for n in [1, 3] {
        let site = Site::new().with("/f", resource.clone()).rate_total(16 * MIB);
        let desk = Desk::new(site);
        desk.kill_at(desk.over(n, "/f"), 2 * MIB);
        assert_eq!(desk.files(), ["real.bin.part", "real.bin.piton"]);
        let outcome = desk.get(desk.over(4 - n, "/f")).unwrap();
        assert!(outcome.resumed > 0, "{outcome:?}");
        desk.assert_only("real.bin", 1, 4 * MIB);
        let again = desk.get(desk.what("/f")).unwrap();
        assert!(again.already_complete);
    }
}
