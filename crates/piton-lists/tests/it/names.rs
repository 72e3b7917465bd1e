//! Names in the target folder.

use piton_fetch::IfExists;

use super::*;

#[test]
fn names_that_collide_stay_with_their_items() {
    let site = (0..4)
        .fold(Site::new(), |site, number| site.with(&format!("/{number}/f.bin"), file(number)));
    let desk = Desk::new(site);
    let path = |number: u64| format!("/{number}/f.bin");
    desk.list([path(0), path(1)]);
    desk.run(desk.one_at_a_time());
    desk.list([path(3), path(2), path(1), path(0)]);
    desk.run(desk.one_at_a_time());
    for (name, seed) in [("f.bin", 0), ("f.1.bin", 1), ("f.2.bin", 3), ("f.3.bin", 2)] {
        desk.assert_file(name, seed);
    }
    let renamed: Vec<_> = desk.known().into_values().map(|known| known.path).collect();
    let names = [Some("f.2.bin"), Some("f.3.bin"), Some("f.1.bin"), None];
    assert_eq!(renamed, names.map(|name| name.map(str::to_owned)));
}

#[test]
fn folders_of_the_address_are_kept_and_those_of_the_list_are_made() {
    let site = Site::new().with("/a/b/x", file(0)).with("/y", file(1)).with("/z", file(2));
    let desk = Desk::new(site);
    desk.list(["/a/b/x", "/y", "  dir=sub", "/z", "  out=c/d"]);
    let mut options = desk.options();
    options.naming = piton_lists::name::Naming::Tree;
    desk.run(options);
    let host = desk.server.addr().to_string();
    let expected = [format!("{host}/a/b/x"), "c/d".to_owned(), format!("sub/{host}/y")];
    assert_eq!(desk.files(), expected);
}

#[test]
fn a_file_where_a_folder_is_needed_fails_its_item_alone() {
    let desk = Desk::of_files(3);
    std::fs::create_dir(desk.path("out")).unwrap();
    std::fs::write(desk.path("out/file"), "of somebody").unwrap();
    desk.list(["/0", "/1", "  out=file/x", "/2"]);
    let summary = desk.run(desk.options());
    assert_eq!((summary.done, summary.fatal), (2, 1));
    assert_eq!(desk.known()[&2].class.as_ref().unwrap().as_str(), "folder");
    assert_eq!(desk.files(), ["0", "2", "file"]);
}

#[test]
fn what_the_server_calls_it_does_not_count() {
    let named = file(0).content_disposition("attachment; filename=\"other\"");
    let desk = Desk::new(Site::new().with("/0", named));
    desk.list(["/0"]);
    desk.run(desk.options());
    assert_eq!(desk.files(), ["0"]);
}

/// Somebody who may write in the target folder: when an item is done, its folder `a` becomes a link to
/// `elsewhere`.
struct Swapper {
    folder: PathBuf,
    swapped: std::sync::atomic::AtomicBool,
}

impl Observer for Swapper {
    fn event(&self, event: &Event<'_>) {
        let done = matches!(event, Event::Ended { end: End::Done(_), .. });
        if done && !self.swapped.swap(true, std::sync::atomic::Ordering::Relaxed) {
            std::fs::rename(self.folder.join("out/a"), self.folder.join("moved")).unwrap();
            std::os::unix::fs::symlink(self.folder.join("elsewhere"), self.folder.join("out/a"))
                .unwrap();
        }
    }
}

#[test]
fn a_folder_that_becomes_a_link_during_the_run_is_not_followed() {
    use Durability::{Power, Process};
    for durability in [Power, Process, Durability::None] {
        let large = |number| Resource::pattern(number, 3 << 20).etag("\"large\"");
        let site = site_of(6).with("/large", large(7)).with("/new", large(8));
        let desk = Desk::new(site);
        let mut options = desk.one_at_a_time();
        options.durability = durability;
        std::fs::create_dir(desk.path("elsewhere")).unwrap();
        let in_a = |path: &str| vec![path.to_owned(), "  dir=a".to_owned()];
        desk.list(["/0", "/1", "/large", "/2"].into_iter().flat_map(in_a));
        let folder = desk.folder.path().to_owned();
        let swapper = Arc::new(Swapper { folder, swapped: Default::default() });
        let summary = desk.run_watched(options.clone(), swapper.clone(), Stop::new()).unwrap();
        assert!(swapper.swapped.load(std::sync::atomic::Ordering::Relaxed));
        let elsewhere = || std::fs::read_dir(desk.path("elsewhere")).unwrap().count();
        assert_eq!(elsewhere(), 0, "{summary:?}");
        // Small ones are where the folder that is held open is now; for a large one it is looked at first.
        let known = desk.known();
        assert_eq!(summary.done + summary.fatal, 4, "{known:?}");
        let moved = std::fs::read_dir(desk.path("moved")).unwrap().count() as u64;
        assert_eq!(moved, summary.done, "{known:?}");
        // The next run opens it again, and says that it leads out.
        desk.list(["/3", "/new"].into_iter().flat_map(in_a));
        let summary = desk.run(options);
        assert_eq!((summary.done, summary.fatal, elsewhere()), (0, 2, 0), "{summary:?}");
        let known = desk.known();
        let class = |known: &Known| known.class.as_ref().unwrap().as_str().to_owned();
        assert!(known.values().all(|known| class(known) == "folder"), "{known:?}");
    }
}

#[test]
fn folders_new_and_old_are_as_durable_as_asked() {
    for durability in [Durability::Power, Durability::Process, Durability::None] {
        let desk = Desk::of_files(4);
        let mut options = desk.options();
        options.durability = durability;
        desk.list(["/0", "/1", "  dir=a/b"]);
        assert_eq!(desk.run(options.clone()).done, 2);
        desk.list(["/2", "/3", "  dir=a/b"]);
        assert_eq!(desk.run(options).done, 2);
        assert_eq!(desk.files(), ["0", "2", "a/b/1", "a/b/3"]);
    }
}

/// Whoever names an item, or is asked for it, would else write the list, or what the ledger knows, of the next run.
#[test]
fn no_item_is_written_over_the_list_or_its_ledger() {
    let mut desk = Desk::of_files(8);
    desk.ledger = "state.db";
    std::fs::create_dir(desk.path("sub")).unwrap();
    let names =
        ["list", "LIST", "state.db", "state.db-journal", "State.db-wal", "near/list", "sub/list"];
    std::os::unix::fs::symlink(".", desk.path("near")).unwrap();
    let lines = names.iter().enumerate();
    desk.list(
        lines.flat_map(|(at, name)| [format!("/{at}"), format!("  out={name}")]).chain(paths([7])),
    );
    let list = std::fs::read(desk.path("list")).unwrap();
    let mut options = desk.options();
    options.folder = desk.folder.path().to_owned();
    options.adjust = Some(Arc::new(|what| what.if_exists = IfExists::Overwrite));
    let summary = desk.run(options);
    assert_eq!((summary.done, summary.fatal), (2, 6));
    let known = desk.known();
    let classes = known.values().filter_map(|known| known.class.as_ref());
    assert!(classes.map(|class| class.as_str()).all(|class| class == "name"));
    assert_eq!(std::fs::read(desk.path("list")).unwrap(), list);
    assert!(desk.path("sub/list").is_file() && desk.path("7").is_file());
    assert!(!desk.path("state.db-journal").exists());
}
