//! docs/guarantees.md, docs/file-systems.md and docs/records.md name the tests that prove them; each of these exists.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_pages_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = |name| fs::read_to_string(root.join("docs").join(name)).unwrap();
    let page = page("guarantees.md") + &page("file-systems.md") + &page("records.md");
    let quoted = page.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|text| text.split_once(' ')).filter(|(name, path)| {
        name.starts_with("piton-") && path.contains("::") && !path.contains(' ')
    });
    let mut count = 0;
    for (name, path) in named {
        count += 1;
        let mut modules: Vec<_> = path.split("::").collect();
        let test = modules.pop().unwrap();
        let own = modules.clone();
        // A module within the file of another.
        modules.pop_if(|last| *last == "tests");
        let dir = root.join("crates").join(name);
        let files =
            [dir.join("tests/it").join(modules.join("/")), dir.join("src").join(own.join("/"))];
        let sources =
            files.iter().flat_map(|file| [file.with_extension("rs"), file.join("mod.rs")]);
        let source = sources.filter_map(|file| fs::read_to_string(file).ok()).next();
        let source = source.unwrap_or_else(|| panic!("no file for {name} {path}"));
        assert!(source.contains(&format!("fn {test}(")), "no test {name} {path}");
    }
    assert!(count > 60, "only {count} tests are named");
}
