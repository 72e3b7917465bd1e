//! Reads a list, counts what is in it, and says how long that took:
//! `cargo run --release -p piton-lists --example read_list LIST [BASE]`.

use std::collections::HashSet;
use std::time::Instant;

use piton_lists::source::{Keyed, Source};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("read_list LIST [BASE]")?;
    let mut source = Source::new(path);
    if let Some(base) = arguments.next() {
        source = source.base(base.parse()?);
    }
    let begin = Instant::now();
    let (mut items, mut wrong, mut hosts) = (0_u64, 0_u64, HashSet::new());
    for entry in source.keyed()? {
        match entry? {
            Keyed::Item(item, key) => {
                items += 1;
                std::hint::black_box(key);
                for host in item.addresses.iter().filter_map(|address| address.url.host_str()) {
                    if !hosts.contains(host) && hosts.len() < 1000 {
                        hosts.insert(host.to_owned());
                    }
                }
            }
            Keyed::Bad(line) => {
                wrong += 1;
                eprintln!("{line}");
            }
            Keyed::Notice(notice) => eprintln!("{notice}"),
        }
    }
    let (took, hosts) = (begin.elapsed().as_secs_f64(), hosts.len());
    println!("{items} items from {hosts} hosts, {wrong} wrong lines, {took:.2} s");
    Ok(())
}
