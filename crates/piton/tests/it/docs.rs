//! The documentation names files of the code: each of them exists.

use std::fs;
use std::path::{Path, PathBuf};

const PAGES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs"];

#[test]
fn each_file_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut code = Vec::new();
    for folder in ["crates", "fuzz", "scripts", "tests"] {
        collect(&root.join(folder), "rs", &mut code);
    }
    assert!(code.len() > 100, "only {} files", code.len());
    let mut pages = Vec::new();
    for page in PAGES {
        match root.join(page) {
            folder if folder.is_dir() => collect(&folder, "md", &mut pages),
            file => pages.push(file),
        }
    }
    let mut named = 0;
    let mut stale = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for name in text.split('`').skip(1).step_by(2).filter(|name| is_file_of_code(name)) {
            named += 1;
            if !code.iter().any(|file| file.ends_with(name)) {
                stale.push(format!("{}: {name}", page.display()));
            }
        }
    }
    assert!(named > 30, "only {named} names");
    assert!(stale.is_empty(), "{stale:#?}");
}

fn is_file_of_code(name: &str) -> bool {
    name.ends_with(".rs") && !name.contains([' ', '*', '{', '<', '\n'])
}

fn collect(folder: &Path, extension: &str, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.file_name().and_then(|name| name.to_str()) {
            Some("target") => {}
            _ if path.is_dir() => collect(&path, extension, into),
            _ if path.extension().is_some_and(|found| found == extension) => into.push(path),
            _ => {}
        }
    }
}
