//! The life of a run at a store: taken once, and over after an error that leaves doubt.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::StoreError;

/// What one run has of a store: what it opened, until it is over.
pub(super) struct Run<T> {
    place: String,
    life: Mutex<Life<T>>,
}

enum Life<T> {
    NotTaken,
    Taken(Box<T>),
    /// Nothing more may be committed.
    Over,
}

impl<T> Run<T> {
    /// At this place, as messages name it.
    pub(super) fn new(place: String) -> Self {
        Self { place, life: Mutex::new(Life::NotTaken) }
    }

    pub(super) fn place(&self) -> String {
        self.place.clone()
    }

    fn life(&self) -> MutexGuard<'_, Life<T>> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the store with what `open` gives, and returns the rest of that. Only once.
    pub(super) fn take<R>(
        &self,
        open: impl FnOnce() -> Result<(T, R), StoreError>,
    ) -> Result<R, StoreError> {
        let mut life = self.life();
        if !matches!(*life, Life::NotTaken) {
            return Err(StoreError::Fenced { place: self.place() });
        }
        let (open, result) = open()?;
        *life = Life::Taken(Box::new(open));
        Ok(result)
    }

    /// Does something with what was opened. After an error that `ends` it, the run is over.
    pub(super) fn with<R>(
        &self,
        ends: impl FnOnce(&StoreError) -> bool,
        work: impl FnOnce(&mut T) -> Result<R, StoreError>,
    ) -> Result<R, StoreError> {
        let mut life = self.life();
        let Life::Taken(open) = &mut *life else { return Err(self.not_taken(&life)) };
        let result = work(open);
        if result.as_ref().err().is_some_and(ends) {
            *life = Life::Over;
        }
        result
    }

    /// The run is over; returns what was opened.
    pub(super) fn end(&self) -> Result<T, StoreError> {
        match std::mem::replace(&mut *self.life(), Life::Over) {
            Life::Taken(open) => Ok(*open),
            life => Err(self.not_taken(&life)),
        }
    }

    fn not_taken(&self, life: &Life<T>) -> StoreError {
        let place = self.place();
        match life {
            Life::Over => StoreError::Fenced { place },
            Life::NotTaken | Life::Taken(_) => StoreError::NotTaken { place },
        }
    }
}
