//! piton

pub use piton_checkpoint as checkpoint;
pub use piton_durable as durable;
pub use piton_fetch as fetch;
