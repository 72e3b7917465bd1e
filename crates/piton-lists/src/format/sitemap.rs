//! Sitemaps (sitemaps.org, protocol 0.9): the pages of a site.

use std::io::BufRead;

use super::draft::Draft;
use super::entry::Out;
use super::xml::{self, Node, Xml};
use super::{ListError, Parse};
use crate::item_url::{Base, UrlParser};

pub(super) struct Parser<R: BufRead> {
    xml: Xml<R>,
    urls: UrlParser,
    index: bool,
}

impl<R: BufRead> Parser<R> {
    pub(super) fn new(reader: R, base: Option<Base>) -> Self {
        Parser { xml: Xml::new(reader), urls: UrlParser::new(base), index: false }
    }
}

impl<R: BufRead> Parse for Parser<R> {
    fn step(&mut self, out: &mut Out) -> Result<bool, ListError> {
        let element = match self.xml.next()? {
            Node::End if self.index => {
                return Err(ListError::SitemapIndex { first: String::new() });
            }
            Node::End => return Ok(false),
            Node::Close => return Ok(true),
            Node::Open(element) => element,
        };
        // Images and videos of a page have a `loc` too, further in.
        match (self.xml.depth(), element.name.as_str()) {
            (1, "urlset") | (2, "url" | "sitemap") => {}
            (1, "sitemapindex") => self.index = true,
            (1, _) => return Err(xml::root(&element, "<urlset>")),
            (3, "loc") => {
                let text = self.xml.text()?;
                if self.index {
                    return Err(ListError::SitemapIndex { first: super::entry::excerpt(&text) });
                }
                let mut draft = Draft::new(element.line);
                match draft.url(&text, &mut self.urls) {
                    Ok(()) => out.finish(draft),
                    Err(why) => out.bad(element.line, why, &text),
                }
            }
            _ => self.xml.skip()?,
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::properties::{items, messages};

    const FORMAT: Format = Format::Sitemap;

    #[test]
    fn pages_and_not_their_images() {
        let list = "<?xml version='1.0' encoding='UTF-8'?>\n\
            <urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9' xmlns:image='i'>\n\
            <url><loc>\n http://h/?a=1&amp;b=2 \n</loc><lastmod>2005-01-01</lastmod>\
            <image:image><image:loc>http://h/i.png</image:loc></image:image></url>\n\
            <url><loc>/page</loc></url><url/>\n<url><loc>http://h/2</loc></url></urlset>";
        let found = items(FORMAT, list);
        let urls: Vec<_> = found.iter().map(|item| item.urls[0].url.as_str()).collect();
        assert_eq!(urls, ["http://h/?a=1&b=2", "http://h/2"]);
        assert_eq!((found[0].line, found[1].line), (3, 7));
        assert_eq!(
            messages(FORMAT, list),
            [
                "line 6: not an absolute URL (http://…), and there is no base URL to complete it (/page)"
            ]
        );
    }

    #[test]
    fn other_documents_are_errors() {
        for (list, message) in [
            (
                "<sitemapindex><sitemap><loc>http://u:p@h/1.xml</loc></sitemap></sitemapindex>",
                "this is a sitemap index; use the sitemaps that it lists, such as http://h/1.xml",
            ),
            ("<sitemapindex/>", "this is a sitemap index; use the sitemaps that it lists"),
            ("<rss><url/></rss>", "line 1: the root element is <rss>, expected <urlset>"),
            ("<!DOCTYPE html><html/>", "line 1: it has a DOCTYPE, which is not supported"),
            ("<urlset><url>", "line 1: it is cut off"),
            (
                "<urlset></a:\n//u:p\n@h>",
                "line 1: ill-formed document: expected `</urlset>`, but `</a://h>` was found",
            ),
        ] {
            assert_eq!(messages(FORMAT, list), [message]);
        }
    }
}
