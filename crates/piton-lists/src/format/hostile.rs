//! Lists made to fill the memory: each ends with an error, or with an invalid line among valid ones, that
//! says where (guarantees G7 and G8).

use super::Format;
use super::properties::{items, messages};

/// What is reported about a list, and how many items are read from it nevertheless.
#[track_caller]
fn check(format: Format, list: &str, said: &str, good: usize) {
    let shown = &list[..list.len().min(200)];
    assert_eq!(messages(format, list), [said], "{format}: {shown}");
    assert_eq!(items(format, list).len(), good, "{format}: {shown}");
}

fn huge() -> String {
    "x".repeat(1 << 20)
}

#[test]
fn huge_lines_cost_only_themselves() {
    let (too_long, huge) = ("line 2: the line is longer than 65536 bytes", huge());
    check(Format::Lines, &format!("http://a/\nhttp://h/{huge}\nhttp://b/\n"), too_long, 2);
    check(Format::Lines, &format!("http://a/\nhttp://h/\t{huge}\nhttp://b/"), too_long, 2);
    // It may have been a digest of the item above.
    check(Format::Lines, &format!("http://a/\n  out={huge}\nhttp://b/\n"), too_long, 1);
    for format in [Format::Csv, Format::Tsv] {
        check(format, &format!("url\nhttp://h/{huge}\nhttp://b/\n"), too_long, 1);
        let quotes = format!("url\n{}\nhttp://b/\n", "\"".repeat(1 << 20));
        check(format, &quotes, too_long, 1);
    }
    let open = "url,out\n\"http://h/,\nhttp://b/,\"b\nhttp://c/,c\n";
    let said = ["line 2: unclosed quote", "line 3: unclosed quote"];
    assert_eq!(messages(Format::Csv, open), said);
    let fields = format!("url\n{}\nhttp://b/\n", ",".repeat(2000));
    check(Format::Csv, &fields, "line 2: more than 1024 fields for one file", 1);
    let header = format!("{huge}\nhttp://b/\n");
    check(Format::Csv, &header, "line 1: the list has no column named url", 0);
    let long = "x".repeat(9 << 20);
    let json = format!(
        "{{\"url\":\"http://a/\"}}\n{{\"url\":\"http://h/{long}\"}}\n{{\"url\":\"http://b/\"}}"
    );
    check(Format::JsonLines, &json, "line 2: the line is longer than 8388608 bytes", 2);
}

#[test]
fn nesting_and_many_values_cost_only_their_line() {
    let between =
        |line: &str| format!("{{\"url\":\"http://a/\"}}\n{line}\n{{\"url\":\"http://b/\"}}\n");
    for (key, open) in [("url", "["), ("x", "["), ("pieces", "{\"a\":"), ("x", "{\"a\":")] {
        let line = format!("{{\"{key}\":{}", open.repeat(1 << 20));
        let list = between(&line);
        let said = messages(Format::JsonLines, &list);
        let [said] = &said[..] else { panic!("{said:?}") };
        assert!(said.starts_with("line 2: invalid JSON at column "), "{said}");
        assert_eq!(items(Format::JsonLines, &list).len(), 2);
    }
    let many = format!("{{\"url\":[{}\"http://h/\"]}}", "\"http://h/\",".repeat(2000));
    check(Format::JsonLines, &between(&many), "line 2: more than 1024 values for one file", 2);
}

#[test]
fn what_swells_in_xml_ends_the_list() {
    let laughs = "<!DOCTYPE l [<!ENTITY a 'ha'>\n<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>";
    let metalink = |inside: &str| {
        format!("<metalink>\n<file><url>http://h/</url></file>\n{inside}\n</metalink>")
    };
    let sitemap =
        |inside: &str| format!("<urlset>\n<url><loc>http://h/</loc></url>\n{inside}\n</urlset>");
    let huge = huge();
    for (format, list, text) in [
        (Format::Metalink, &metalink as &dyn Fn(&str) -> String, "<file><url>TEXT</url></file>"),
        (Format::Metalink, &metalink, "<file><hash type='md5'>TEXT</hash></file>"),
        (Format::Metalink, &metalink, "<file><pieces type='md5'><hash>TEXT</hash></pieces></file>"),
        (Format::Sitemap, &sitemap, "<url><loc>TEXT</loc></url>"),
        (Format::Sitemap, &sitemap, "<url><image><loc>TEXT</loc></image></url>"),
    ] {
        let whole = |inside: &str| list(&text.replace("TEXT", inside));
        let bomb = format!("{laughs}{}", whole("&b;"));
        check(format, &bomb, "line 1: it has a DOCTYPE, which is not supported", 0);
        check(format, &list(laughs), "line 3: it has a DOCTYPE, which is not supported", 1);
        let unknown = "line 3: it has an entity that XML itself does not know";
        check(format, &whole("&b;"), unknown, 1);
        let deep = "line 3: its elements are nested too deeply";
        check(format, &whole(&"<x>".repeat(1 << 20)), deep, 1);
        check(format, &whole(&"<url>".repeat(1 << 20)), deep, 1);
        let long = "line 3: a tag, text or comment in it is longer than 65536 bytes";
        for inside in [
            huge.clone(),
            format!("<{huge}>"),
            format!("<x {huge}='1'/>"),
            format!("<x a='{huge}'/>"),
            format!("<![CDATA[{huge}]]>"),
            format!("<!--{huge}-->"),
            format!("<?{huge}?>"),
            format!("&{huge};"),
        ] {
            check(format, &whole(&inside), long, 1);
        }
        let attributes = format!("<x{}/>", " a='1'".repeat(1000));
        check(format, &whole(&attributes), "line 3: an element has too many attributes", 1);
    }
    // Where a text is kept, it may not come bit by bit either.
    let dripping = "&#x68;".repeat(1 << 17);
    let said = "line 3: it contains text that is too long";
    check(Format::Metalink, &metalink(&format!("<file><url>{dripping}</url></file>")), said, 1);
    check(Format::Sitemap, &sitemap(&format!("<url><loc>{dripping}</loc></url>")), said, 1);
    let pieces = "<hash>00000000</hash>".repeat((1 << 16) + 1);
    let file = format!(
        "<file><url>http://h/</url><pieces type='crc32' length='1'>{pieces}</pieces></file>"
    );
    check(Format::Metalink, &metalink(&file), "line 3: more than 65536 pieces for one file", 1);
}
