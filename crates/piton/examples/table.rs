//! Goes through a CSV file with line ends in quotes, one record at a time, and is interrupted twice.
//!
//! ```text
//! cargo run -p piton --example table
//! ```

#![allow(clippy::disallowed_methods, reason = "the example writes its own input")]

use std::error::Error;
use std::path::Path;

/// One run; it gives up in the middle of this record.
fn run(folder: &Path, gives_up_at: u64) -> Result<(), Box<dyn Error>> {
    let mut job = piton::job(folder.join("sizes.csv"))?;
    let mut out = job.output(folder.join("sizes.csv"))?;
    for row in job.csv(folder.join("orders.csv"))? {
        let row = row?;
        let first = row.split(|byte| *byte == b',').next().unwrap_or_default();
        let name = String::from_utf8_lossy(first);
        // What is written for a record counts when the next one is asked for.
        out.line(&row, format!("{name},{}", row.len()))?;
        if row.line() == gives_up_at {
            println!("stopped in record {gives_up_at}, at byte {}", row.offset());
            return Ok(());
        }
    }
    job.finish()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let orders = "rope,60 m\ntent,\"two\npersons\"\nstove,gas\n\"cup, blue\",\"a \"\"mug\"\"\"\n";
    std::fs::write(folder.path().join("orders.csv"), orders)?;

    run(folder.path(), 2)?;
    run(folder.path(), 3)?;
    run(folder.path(), u64::MAX)?;

    let sizes = std::fs::read_to_string(folder.path().join("sizes.csv"))?;
    print!("{sizes}");
    assert_eq!(sizes, "rope,9\ntent,18\nstove,9\n\"cup,23\n");
    Ok(())
}

#[test]
fn it_runs() {
    main().unwrap();
}
