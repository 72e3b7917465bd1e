//! piton-checkpoint
