//! The URL of a source, and where redirects lead from it.

use url::Url;

/// The URL that is asked, and the one it came from.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// Before redirects: the one to keep.
    pub(super) original: Url,
    /// Where redirects led to, asked directly from then on.
    resolved: Option<Url>,
    /// Rises with every resolution, so that many connections that fail together resolve once.
    pub(super) generation: u32,
    /// Where redirects led to serves no more, and no new answer came yet.
    pub(super) expired: bool,
}

impl Link {
    pub(super) fn new(original: Url) -> Self {
        Self { original, resolved: None, generation: 0, expired: false }
    }

    /// The URL to ask now.
    pub(super) fn current(&self) -> &Url {
        self.resolved.as_ref().unwrap_or(&self.original)
    }

    /// An answer came from `url`: ask there directly from now on.
    pub(super) fn resolved(&mut self, url: &Url, redirected: bool, generation: u32) {
        if self.generation == generation {
            self.expired = false;
            if redirected && self.resolved.is_none() {
                self.resolved = Some(url.clone());
            }
        }
    }

    /// The URL that redirects led to serves no more. Returns whether asking the original one
    /// again can help.
    pub(super) fn resolve_again(&mut self, generation: u32) -> bool {
        if self.generation == generation && self.resolved.take().is_some() {
            self.generation += 1;
            self.expired = true;
        }
        self.generation > generation
    }
}
