//! The URL of a source, and where redirects lead from it.

use url::Url;

/// How the URL that was asked failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum LinkEnd {
    /// It may serve again.
    Passing,
    /// It will not.
    Final,
}

/// The URL that is asked, and the one it came from.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// Before redirects: the one to keep.
    pub(super) original: Url,
    /// Where redirects led to, asked directly from then on.
    resolved: Option<Url>,
    /// Rises with every resolution, so that many connections that fail together resolve once.
    pub(super) generation: u32,
    /// Where redirects led to before: it failed, and never refused.
    fallback: Option<Url>,
    /// Where redirects led to serves no more, and no new answer came yet.
    pub(super) expired: bool,
}

impl Link {
    pub(super) fn new(original: Url) -> Self {
        Self { original, resolved: None, generation: 0, fallback: None, expired: false }
    }

    /// The URL to ask now.
    pub(super) fn current(&self) -> &Url {
        self.resolved.as_ref().unwrap_or(&self.original)
    }

    /// An answer came from `url`: ask there directly from now on.
    pub(super) fn resolved(&mut self, url: &Url, redirected: bool, generation: u32) {
        if self.generation == generation {
            (self.expired, self.fallback) = (false, None);
            if redirected && self.resolved.is_none() {
                self.resolved = Some(url.clone());
            }
        }
    }

    /// The URL that was asked failed. Returns whether another one can be asked now: the original one instead of
    /// where redirects led to; or that one once more, if it never refused and the original one does.
    pub(super) fn resolve_again(&mut self, generation: u32, end: LinkEnd) -> bool {
        if self.generation == generation {
            if let Some(url) = self.resolved.take() {
                self.generation += 1;
                (self.expired, self.fallback) = (true, (end == LinkEnd::Passing).then_some(url));
            } else if let Some(url) = self.fallback.take_if(|_| end == LinkEnd::Final) {
                self.generation += 1;
                (self.expired, self.resolved) = (false, Some(url));
            }
        }
        self.generation > generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> Url {
        Url::parse("http://a.test").unwrap().join(path).unwrap()
    }

    /// A link that was led to.
    fn led() -> Link {
        let mut link = Link::new(url("/f"));
        link.resolved(&url("/signed"), true, 0);
        assert_eq!(link.current(), &url("/signed"));
        link
    }

    #[test]
    fn the_original_is_asked_when_its_target_fails() {
        for end in [LinkEnd::Passing, LinkEnd::Final] {
            let mut link = led();
            assert!(link.resolve_again(0, end) && link.expired);
            assert_eq!(link.current(), &url("/f"));
            // Whoever had asked the old one too.
            assert!(link.resolve_again(0, end) && link.generation == 1);
        }
    }

    #[test]
    fn a_target_that_never_refused_is_asked_again_if_the_original_refuses() {
        let mut link = led();
        link.resolve_again(0, LinkEnd::Passing);
        assert!(!link.resolve_again(1, LinkEnd::Passing), "the original may answer yet");
        assert!(link.resolve_again(1, LinkEnd::Final) && !link.expired);
        assert_eq!(link.current(), &url("/signed"));
        // Both refuse: that is the end.
        assert!(link.resolve_again(2, LinkEnd::Final));
        assert!(!link.resolve_again(3, LinkEnd::Final));
        let mut refused = led();
        refused.resolve_again(0, LinkEnd::Final);
        assert!(!refused.resolve_again(1, LinkEnd::Final));
    }
}
