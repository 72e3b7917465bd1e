//! XML within limits: the basis of Metalinks and sitemaps.
//!
//! Entity declarations are not read, so nothing expands; depth, the size of every tag and text, and the
//! number of attributes are limited (guarantee G8).

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use piton_fetch::redact;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::ListError;
use super::entry::short;

/// Deeper than the formats here ever are.
const MAX_DEPTH: usize = 32;
/// Bytes of a tag, a text or a comment.
const MAX_EVENT: usize = 64 << 10;
const MAX_ATTRIBUTES: usize = 64;

/// Reads XML element by element.
pub(super) struct Xml<R: BufRead> {
    reader: Reader<Limited<R>>,
    buffer: Vec<u8>,
    depth: usize,
    /// An element without content was opened: its end comes next.
    closing: bool,
}

/// A step through a document.
pub(super) enum Node {
    /// An element starts.
    Open(Element),
    /// The innermost element ends.
    Close,
    /// The document ended, with all elements closed.
    End,
}

/// The start of an element. Names are without their namespace prefix.
pub(super) struct Element {
    pub(super) line: u64,
    pub(super) name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim())
    }
}

impl<R: BufRead> Xml<R> {
    pub(super) fn new(reader: R) -> Self {
        let reader = Limited { reader, left: MAX_EVENT, line: 1 };
        Xml { reader: Reader::from_reader(reader), buffer: Vec::new(), depth: 0, closing: false }
    }

    /// Open elements.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The next start or end of an element. Text in between is skipped.
    pub(super) fn next(&mut self) -> Result<Node, ListError> {
        self.step(None)
    }

    /// The text of the element that was opened last, up to its end, without the content of nested elements
    /// and surrounding whitespace.
    pub(super) fn text(&mut self) -> Result<String, ListError> {
        let inside = self.depth;
        let mut text = String::new();
        while self.depth >= inside {
            let sink = (self.depth == inside).then_some(&mut text);
            self.step(sink)?;
        }
        Ok(text.trim().to_owned())
    }

    /// Skips the rest of the element that was opened last.
    pub(super) fn skip(&mut self) -> Result<(), ListError> {
        let inside = self.depth;
        while self.depth >= inside {
            self.step(None)?;
        }
        Ok(())
    }

    /// Reads to the next start or end of an element, and adds the text before it to `sink`.
    fn step(&mut self, mut sink: Option<&mut String>) -> Result<Node, ListError> {
        if std::mem::take(&mut self.closing) {
            self.depth = self.depth.saturating_sub(1);
            return Ok(Node::Close);
        }
        loop {
            self.buffer.clear();
            self.reader.get_mut().left = MAX_EVENT;
            let line = self.reader.get_ref().line;
            let wrong = |why: &str| ListError::Xml { line, why: why.to_owned() };
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(error) => return Err(failed(line, error)),
            };
            let text: Cow<'_, str> = match event {
                Event::Start(_) | Event::Empty(_) if self.depth >= MAX_DEPTH => {
                    return Err(wrong("its elements are nested too deeply"));
                }
                Event::Start(tag) => {
                    self.depth = self.depth.saturating_add(1);
                    return element(line, &tag).map(Node::Open);
                }
                Event::Empty(tag) => {
                    self.depth = self.depth.saturating_add(1);
                    self.closing = true;
                    return element(line, &tag).map(Node::Open);
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Node::Close);
                }
                Event::Eof if self.depth > 0 => return Err(wrong("it is cut off")),
                Event::Eof => return Ok(Node::End),
                // Entities could be declared there, and each stand for many others.
                Event::DocType(_) => return Err(wrong("it has a DOCTYPE, which is not supported")),
                Event::Text(text) => text.into_inner(),
                Event::CData(text) => text.into_inner(),
                Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                    Ok(Some(character)) => character.to_string().into(),
                    Ok(None) => quick_xml::escape::resolve_predefined_entity(&reference)
                        .ok_or_else(|| wrong("it has an entity that XML itself does not know"))?
                        .into(),
                    Err(error) => return Err(failed(line, error)),
                },
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
            };
            if let Some(sink) = &mut sink {
                if sink.len().saturating_add(text.len()) > MAX_EVENT {
                    return Err(wrong("it contains text that is too long"));
                }
                sink.push_str(&text);
            }
        }
    }
}

fn element(line: u64, tag: &BytesStart<'_>) -> Result<Element, ListError> {
    let wrong = |why: &str| ListError::Xml { line, why: why.to_owned() };
    let mut attributes = Vec::new();
    for attribute in tag.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| wrong("it has a malformed attribute"))?;
        if attributes.len() >= MAX_ATTRIBUTES {
            return Err(wrong("an element has too many attributes"));
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| wrong("an attribute has an entity that XML itself does not know"))?;
        attributes.push((attribute.key.local_name().as_ref().to_owned(), value.into_owned()));
    }
    Ok(Element { line, name: tag.local_name().as_ref().to_owned(), attributes })
}

fn failed(line: u64, error: quick_xml::Error) -> ListError {
    let why = match error {
        quick_xml::Error::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            format!("a tag, text or comment in it is longer than {MAX_EVENT} bytes")
        }
        // The kind is what tells a list that is cut short from a disk that fails.
        quick_xml::Error::Io(error) => {
            return ListError::Read(io::Error::new(error.kind(), error));
        }
        quick_xml::Error::Encoding(_) => "it is not UTF-8".to_owned(),
        // The others may quote names of any length.
        other => {
            let mut why = other.to_string();
            // Before logins are taken out: what a control character divides would become one later.
            why.retain(|c| !c.is_control());
            redact::text(&why).chars().take(150).collect()
        }
    };
    ListError::Xml { line, why }
}

/// A list whose root element is not an expected one.
pub(super) fn root(element: &Element, wanted: &'static str) -> ListError {
    ListError::Root { line: element.line, found: short(&element.name), wanted }
}

/// Returns at most some bytes before it is called again, and counts lines.
struct Limited<R> {
    reader: R,
    left: usize,
    line: u64,
}

impl<R: BufRead> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let buffer = self.reader.fill_buf()?;
        if self.left == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(buffer.get(..self.left).unwrap_or(buffer))
    }

    fn consume(&mut self, amount: usize) {
        // What is consumed lies in the buffer: this reads nothing.
        if let Ok(buffer) = self.reader.fill_buf() {
            let taken = buffer.get(..amount).unwrap_or(buffer);
            let lines = memchr::memchr_iter(b'\n', taken).count() as u64;
            self.line = self.line.saturating_add(lines);
        }
        self.left = self.left.saturating_sub(amount);
        self.reader.consume(amount);
    }
}

impl<R: BufRead> Read for Limited<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let taken = self.fill_buf()?.read(buf)?;
        self.consume(taken);
        Ok(taken)
    }
}
