use crate::command::Place;

#[test]
fn the_file_in_the_xdg_place_is_read() {
    let place = Place::new();
    place.write(".config/piton/config.toml", b"[network]\n\nprxy = \"http://h\"\n");
    let ran = place.piton(&["get", "http://h/a"]);
    assert_eq!(ran.code, 2);
    let said = ".config/piton/config.toml:3: unknown field `prxy`, expected one of ";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("\n  hint: --config none ignores the config file\n"));
}

#[test]
fn another_file_or_none_can_be_named() {
    let place = Place::new();
    place.write(".config/piton/config.toml", b"rubbish");
    place.write("mine.toml", b"[transfer]\nretries = \"many\"\n");
    let ran = place.piton(&["get", "--config", "mine.toml", "http://h/a"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with("piton: mine.toml:2: invalid type: string"), "{}", ran.stderr);
    // Nothing is unfinished, so that nobody is asked.
    assert_eq!(place.piton(&["resume"]).code, 2);
    assert_eq!(place.piton(&["--config", "none", "resume"]).code, 0);
}
