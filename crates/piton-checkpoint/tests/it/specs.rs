//! Where a state is, as text: what is accepted, what is refused, and that nothing secret is repeated.

use std::sync::Arc;

use piton_checkpoint::store::{Spec, SpecError, open};
use piton_durable::fs::{Fs, OsFs};
use proptest::prelude::*;

fn parse(text: &str) -> Result<Spec, SpecError> {
    text.parse()
}

#[test]
fn each_form_names_its_store() {
    let fs: Arc<dyn Fs> = Arc::new(OsFs);
    for (text, shown, place) in [
        ("file:a/b.state", "file:a/b.state", "a/b.state"),
        ("json:/x.json", "json:/x.json", "/x.json"),
        ("sqlite:jobs.db", "sqlite:jobs.db?job=job", "jobs.db?job=job"),
        ("sqlite:a?b.db?job=enrich-1", "sqlite:a?b.db?job=enrich-1", "a?b.db?job=enrich-1"),
        (
            "redis://localhost?job=a",
            "redis://localhost:6379/0?job=a",
            "redis://localhost:6379/0?job=a",
        ),
        (
            "redis://u:p%40ss@[::1]:7000/3?job=a",
            "redis://[::1]:7000/3?job=a",
            "redis://[::1]:7000/3?job=a",
        ),
        (
            "unix:/run/r.sock?job=a&db=2",
            "unix:/run/r.sock?job=a&db=2",
            "unix:/run/r.sock?job=a&db=2",
        ),
        ("unix:///r.sock?job=a", "unix:/r.sock?job=a&db=0", "unix:/r.sock?job=a&db=0"),
    ] {
        let spec = parse(text).unwrap();
        assert_eq!(spec.to_string(), shown, "{text}");
        assert_eq!(open(text, &fs).unwrap().place(), place, "{text}");
        // What is shown is the same place again.
        assert_eq!(parse(shown).unwrap().to_string(), shown);
    }
}

#[test]
fn what_is_none_is_refused_without_repeating_it() {
    use SpecError as E;
    const NOT_A_URL: &str =
        "not a URL; in a password, other characters than letters and digits are written as %XX";
    let long = format!("file:{}", "x".repeat(9000));
    let long_job = format!("sqlite:x?job={}", "x".repeat(101));
    for (text, wanted) in [
        ("state.json", E::Form),
        ("", E::Form),
        ("postgres://u:s3cret@h/db", E::Form),
        ("redis:localhost", E::Form),
        ("file:", E::Path),
        ("file://host/path", E::Path),
        ("json:a\0b", E::Path),
        ("sqlite:?job=a", E::Path),
        (&*long, E::Path),
        ("sqlite:x?job=", E::JobName),
        ("sqlite:x?job=a/b", E::JobName),
        ("sqlite:x?job=..", E::JobName),
        (&*long_job, E::JobName),
        ("redis://u:s3cret@h/0", E::JobName),
        ("redis://u:s3cret@h/0?job=a%20b", E::JobName),
        ("unix:/r.sock", E::JobName),
        ("rediss://u:s3cret@h?job=a", E::Tls),
        ("redis://u:s3cret@/0?job=a", E::Server(NOT_A_URL)),
        ("redis://?job=a", E::Server("it has no host")),
        ("redis://u:s3cret@h:99999?job=a", E::Server(NOT_A_URL)),
        ("redis://u:s3cret@h/x?job=a", E::Server("its database is not a small number")),
        ("redis://u:s3cret@h/70000?job=a", E::Server("its database is not a small number")),
        ("redis://u:s3cret@h?job=a&s3cret=1", E::Server("only ?job=NAME may follow it")),
        ("redis://u:s3cret@h?job=a&job=b", E::Server("it has an option twice")),
        ("redis://u:s3cret#@h?job=a", E::Server(NOT_A_URL)),
        ("redis://u:s3cret@h?job=a#x", E::Server("nothing may follow a #")),
        ("redis://u@h?job=a", E::Server("a user needs a password")),
        ("redis://u:%ff@h?job=a", E::Server("it is not UTF-8")),
        ("redis://u:s3cret%00@h?job=a", E::Server("it has a NUL")),
        ("unix:/r.sock?job=a&s3cret", E::Server("it has an option that is unknown")),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error, wanted, "{text}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
    let forms = parse("state.json").unwrap_err().to_string();
    for form in ["file:", "json:", "sqlite:", "redis://", "unix:"] {
        assert!(forms.contains(form), "{forms}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_place_or_an_error(
        scheme in "(file|json|sqlite|redis|rediss|unix|[a-z]{0,4}):",
        rest in ".{0,60}|//[a-z:@\\[\\]%/0-9.]{0,30}\\?(job|db|user)=[a-z%&=]{0,20}",
    ) {
        if let Ok(spec) = parse(&format!("{scheme}{rest}")) {
            let shown = spec.to_string();
            prop_assert_eq!(parse(&shown).map(|spec| spec.to_string()), Ok(shown));
        }
    }
}
