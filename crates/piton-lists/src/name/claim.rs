//! One name for each item, the same in each run.

use piton_checkpoint::ledger::{Claim, Key, Ledger, LedgerError};

use super::TargetPath;

/// Numbered names are tried up to this number; then comes a name that only this item can have.
const LAST_NUMBER: u32 = 32;

/// The path for the item `key`, which requests `wanted`: that path, or if it belongs to another item,
/// `name.1.ext`, `name.2.ext` and so on. The ledger stores the answer, so every later run gives the same
/// one, whatever the order of the list.
///
/// # Errors
/// Those of reading the ledger.
pub fn claim(ledger: &Ledger, key: &Key, wanted: &TargetPath) -> Result<TargetPath, LedgerError> {
    let claimed = |path: &TargetPath| -> Result<bool, LedgerError> {
        Ok(matches!(ledger.claim_name(number_of(path), key)?, Claim::Claimed))
    };
    if claimed(wanted)? {
        return Ok(wanted.clone());
    }
    for number in 1..=LAST_NUMBER {
        let path = wanted.numbered(number);
        if claimed(&path)? {
            return Ok(path);
        }
    }
    // A million items of one name must not ask a million million times.
    let (head, _) = key.split_at(8);
    let mark = head.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Ok(wanted.marked(&mark))
}

/// The number that identifies a path in the ledger.
fn number_of(path: &TargetPath) -> u64 {
    let hash = blake3::hash(path.as_str().as_bytes());
    hash.as_bytes().first_chunk().map_or(0, |head| u64::from_le_bytes(*head))
}
