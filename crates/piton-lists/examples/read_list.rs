//! Reads a list, counts its entries, and prints how long that took: `cargo run --release -p piton-lists
//! --example read_list LIST [BASE]`.

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
    let (mut items, mut wrong) = (0_u64, 0_u64);
    for entry in source.keyed()? {
        match entry? {
            Keyed::Item(item, key) => {
                std::hint::black_box((item, key));
                items += 1;
            }
            Keyed::Bad(line) => {
                wrong += 1;
                eprintln!("{line}");
            }
            Keyed::Notice(notice) => eprintln!("{notice}"),
        }
    }
    println!("{items} items, {wrong} wrong lines, {:.2} s", begin.elapsed().as_secs_f64());
    Ok(())
}
