//! docs/guarantees.md and docs/file-systems.md name the tests that prove them; each of these exists.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_pages_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = |name| fs::read_to_string(root.join("docs").join(name)).unwrap();
    let page = page("guarantees.md") + &page("file-systems.md");
    let quoted = page.split('`').skip(1).step_by(2);
    let named = quoted.filter_map(|text| text.split_once(' ')).filter(|(name, path)| {
        name.starts_with("piton-") && path.contains("::") && !path.contains(' ')
    });
    let mut count = 0;
    for (name, path) in named {
        count += 1;
        let mut modules: Vec<_> = path.split("::").collect();
        let test = modules.pop().unwrap();
        // A module within the file of another.
        modules.pop_if(|last| *last == "tests");
        let file = root.join("crates").join(name).join("tests/it").join(modules.join("/"));
        let source = fs::read_to_string(file.with_extension("rs"));
        let source = source.or_else(|_| fs::read_to_string(file.join("mod.rs")));
        let source = source.unwrap_or_else(|error| panic!("{name} {path}: {error}"));
        assert!(source.contains(&format!("fn {test}()")), "no test {name} {path}");
    }
    assert!(count > 60, "only {count} tests are named");
}
