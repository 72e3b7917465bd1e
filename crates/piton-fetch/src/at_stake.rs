//! What a kill may cost at most (G2), per connection: what came in within a tenth of a second, or a mebibyte.

use std::time::Duration;

/// What came in is written and claimed once it is this old, and a connection looks up this often.
pub(crate) const AGE: Duration = Duration::from_millis(100);

/// What came in is written and claimed once it is this much, in bytes.
pub(crate) const BYTES: usize = 1 << 20;
